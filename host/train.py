"""The whole pipeline in one command: `python -m host.train [...] [--deploy PORT]`.

data -> train -> quantise -> save -> deploy
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host.cli.line import Deed, line_of
from host.cli.training import models_of, options_of, parse
from host.errors import command, counted
from host.show.terminal import can_draw, console, progress, say, warn

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from host.node.node import Node
    from host.node.proof import Row
    from host.node.staging import Deployed
    from host.training.plan import Plan
    from host.training.scores import Question, Scores
    from host.training.trained import Trained


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    line = line_of(args)
    if args.save:
        from host.files import replace_file, require_writable

        require_writable(args.save, read_by(args))
    if args.save_float:
        from host.files import require_writable

        require_writable(args.save_float, {**read_by(args), "--resume": None, "--save": args.save})
    if args.plot or args.show:
        from host.show import picture

        beside = {**read_by(args), "--save": args.save, "--save-float": args.save_float}
        picture.check(args.plot, show=args.show, beside=beside)
    out = None if args.json else console()
    plans = [plan_of(args, name, out) for name in models_of(args)]
    if args.on_board:
        require_room(plans[-1])
    if args.deploy is not None:
        line.require(args.deploy, Deed.CHANGE)
    trained = [train_and_show(plan, out, args) for plan in plans]
    last = trained[-1]
    scores: dict[str, Any] = {}
    of_which = f": that is {last.plan.label}" if len(trained) > 1 else ""
    if args.save:
        replace_file(args.save, last.image)
        say(out, f"Saved {args.save}, {counted(len(last.image), 'byte')}{of_which}")
    if args.save_float:
        from host.training.saved import save

        save(args.save_float, last.saved, last.layers)
        say(out, f"Saved {args.save_float}, the float model{of_which}")
    if args.plot or args.show:
        from host.show.subject import training_subject

        warn(picture.draw(args.plot, training_subject(last), show=args.show))
        say(out, (f"Drawn to {args.plot}" if args.plot else "Drawn") + of_which)
    there: dict[str, Any] = {}
    if args.deploy is not None:
        from host.core.image import image_crc

        last.changed.require(args.allow_changed)
        say(out, f"Deploying {last.plan.label} to {line.describe(args.deploy)}", style="bold")
        with line.open(args.deploy, Deed.CHANGE, asked=True) as node:
            staged = False
            if args.on_board:
                there["on_board"] = train_there(node, last, out)
                staged = there["on_board"]["crc32"] == image_crc(last.image)
            there["deployed"], scores = deploy_to(node, last, out, staged=staged, prove=not args.no_prove)
    if args.json:
        import json

        models = [*(one.as_dict() for one in trained[:-1]), last.as_dict(scores)]
        print(json.dumps({**models[-1], **there, "models": models}, allow_nan=False))
    return 0


def read_by(args: argparse.Namespace) -> dict[str, str | None]:
    """Files that a training reads, by the option that names them."""
    numbers = {
        f"--data{f' (number {number})' if number > 1 else ''}": path
        for number, path in enumerate(args.data or (), 1)
    }
    if args.window is not None:
        from host.data.recording import beside

        numbers |= {f"what belongs to {path}": str(beside(path)) for path in numbers.values()}
    return {**numbers, "--resume": args.resume}


def plan_of(args: argparse.Namespace, model: str, out: Console | None) -> Plan:
    """What the arguments ask for, with that model, its data read."""
    from host.training.plan import make_plan

    with progress(out) as update:
        return make_plan(options_of(args, model), update)


def train_and_show(plan: Plan, out: Console | None, args: argparse.Namespace) -> Trained:
    """Train, and tell people of it; where the training leads away, a picture that is asked for shows how."""
    from host.training.fit import Diverged
    from host.training.pipeline import train

    try:
        with progress(out) as update:
            trained = train(plan, update)
    except Diverged as diverged:
        if args.plot or args.show:
            from host.show import picture
            from host.show.subject import diverged_descent

            warn(picture.draw(args.plot, diverged_descent(plan, diverged), show=args.show))
            say(out, f"Drawn to {args.plot}: how it diverges" if args.plot else "Drawn: how it diverges")
        raise
    if out is not None:
        from host.show.report import show

        show(trained, out)
        warn(trained.warnings)
    return trained


def require_room(plan: Plan) -> None:
    """A node's memory takes this training, or NeuronError."""
    from host.training.onboard import check_room

    check_room(plan)


def train_there(node: Node, trained: Trained, out: Console | None) -> dict[str, Any]:
    """Let the node train itself on the same data from the same start, and compare; its image is then staged there."""
    from host.core.image import image_crc
    from host.training.onboard import train_on_board, wish_of

    with progress(out, keep=True) as update:
        learnt = train_on_board(node, wish_of(trained), update)
    each = f"each of {learnt.compared} epochs" if learnt.compared != 1 else "the only epoch"
    say(
        out,
        f"  the same bits after {each}, and the same image, CRC-32 {learnt.crc:08x}",
    )
    if learnt.crc != image_crc(trained.image):
        say(out, "  a node writes no names: the image with those of inputs and classes is sent")
    return {
        "epochs": learnt.epochs,
        "loss": learnt.loss,
        "parameters": learnt.parameters,
        "crc32": learnt.crc,
    }


def deploy_to(
    node: Node, trained: Trained, out: Console | None, *, staged: bool = False, prove: bool = True
) -> tuple[dict[str, Any], dict[str, Scores]]:
    """Deploy, or commit what is staged; unless nothing is to be proven, or the node measures its inputs itself, by the
    data's rows. For JSON, and what the node scored in the part that it was asked."""
    from host.node.staging import commit_staged, deploy
    from host.training.scores import question_of

    question = question_of(trained.parts)
    prove = prove and trained.model.senses is None
    with progress(out, keep=True) as update:
        deployed = (commit_staged if staged else deploy)(
            node, trained.image, progress=update, prove=prove, x=question.x
        )
    for line in deployed.in_words(proven=prove):
        say(out, f"  {line}")
    warn(deployed.warnings)
    said = deployed.as_dict()
    if not prove:
        return said, {}
    said |= show_rows(deployed.rows, trained, out, " in Renode" if node.lamp else "")
    asked, scores = score_answers(deployed, question, trained, out)
    return said | {"asked": asked}, {question.part: scores}


def score_answers(
    deployed: Deployed, question: Question, trained: Trained, out: Console | None
) -> tuple[dict[str, Any], Scores]:
    """How good the node's answers are: what it was asked, and its scores."""
    import numpy as np

    from host.show.scored import asked_in_words
    from host.training.trained import short

    scores = question.score(np.array([row.outputs for row in deployed.rows]), trained.decide)
    asked = {
        "part": short(question.part),
        "rows": len(question.x),
        "of": question.of,
        "seconds": deployed.proving,
    }
    if trained.is_scored:
        for line in asked_in_words(scores, question, deployed.proving):
            say(out, line)
    return asked, scores


def show_rows(rows: Sequence[Row], trained: Trained, out: Console | None, where: str) -> dict[str, Any]:
    """What the node made of the data's rows, beside the float model."""
    import numpy as np

    from host.models.dense import reference
    from host.show import tables

    say(out)
    outputs, names = np.array([row.outputs for row in rows]), trained.data.classes
    classes = [names[said] for said in trained.plan.lamp.classes(outputs)] if names else []
    shown = tables.rows_shown(len(rows))
    # The one output of two classes says more than their names.
    named = [classes[index] for index in shown] if len(names) > 2 else []
    evaluated = [rows[index] for index in shown]
    header, *lines = tables.node_table(evaluated, trained.data, drawn=can_draw(), classes=named)
    say(out, header + where)
    for line, row in zip(lines, evaluated, strict=True):
        say(out, line, style="bold red" if row.led else None)
    _, expected = reference(trained.layers, np.array([row.inputs for row in rows]))
    these = f"these {len(rows)} rows" if len(rows) != 1 else "this row"
    difference = float(np.abs(outputs - expected).max())
    say(out)
    say(out, f"  largest difference from the float model in {these}: {difference:.2g}")
    return {
        "difference": difference,
        "rows": [
            {
                "inputs": row.inputs,
                "output": row.outputs[0],
                **({"outputs": row.outputs} if len(row.outputs) > 1 else {}),
                **({"class": classes[index]} if classes else {}),
                "led": row.led,
            }
            for index, row in enumerate(rows)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())

"""Stage 2, train: `python -m host.train [...] [--deploy PORT]`, the whole pipeline.

dataset -> fit -> quantise -> save -> deploy
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from host import cli, grid, picture, plot
from host.dataset import Dataset, split
from host.errors import NeuronError, command
from host.fit import fit
from host.image import encode, image_crc, save_image
from host.interval import Dense, Float, reference
from host.options import parse
from host.quantise import quantise
from host.recipes import config_of, data_of, dense_layers, recipe_of, start_of
from host.report import LOSS_NAMES, Trained, measures_of, say, show
from host.scaler import fold, scaler_of
from host.subject import subject_of
from host.wire import Activation

if TYPE_CHECKING:
    from rich.console import Console

    from host.deploy import Row
    from host.node import Node

__all__ = ["image_crc", "main", "train"]


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    picture.check(args.plot, show=args.show)
    out = None if args.json else cli.console()
    trained: list[Trained] = []
    for name in [args.model] if args.model else ("wx", "and"):
        with cli.progress(out) as progress:
            trained.append(train(name, args, progress))
        show(trained[-1], out)
    last = trained[-1]
    if args.save:
        save_image(args.save, last.image)
        say(out, f"Saved {args.save}, {len(last.image)} bytes")
    if args.plot or args.show:
        draw(last, args)
        say(out, f"Drawn to {args.plot}" if args.plot else "Drawn")
    result = last.as_dict()
    if args.deploy:
        say(out, f"Deploying {last.label} to {cli.describe_line(args, args.deploy)}", style="bold")
        with cli.open_from(args, args.deploy) as node:
            if args.on_board:
                result["on_board"] = train_there(node, last, args, out)
            result["deployed"] = deploy_to(node, last, out, staged=args.on_board)
    if args.json:
        print(json.dumps({**result, "models": [t.as_dict() for t in trained]}, allow_nan=False))
    return 0


def train(name: str, args: argparse.Namespace, progress: cli.Progress | None = None) -> Trained:
    """dataset -> fit -> quantise, as the options say or else as the articles did."""
    data = data_of(name, args)
    parts = split(data, args.split, args.seed or 0) if args.split else [data]
    scaler = scaler_of(parts[0]) if args.standardise else None
    inputs = [scaler.apply(part.x) if scaler else part.x for part in parts]

    config = config_of(name, data, args)
    if args.algorithm == "grid":
        fitted = grid.search(config, inputs[0], parts[0].y, grid_axes(args.grid, config.count), progress)
    else:
        fitted = fit(
            config,
            inputs[0],
            parts[0].y,
            start_of(name, config, args),
            validation=(inputs[1], parts[1].y) if args.split and len(parts[1]) else None,
            patience=args.patience or 0,
            progress=progress,
        )

    measures = measures_of(config, inputs, parts)
    layers = dense_layers(config, fitted.end.parameters)
    if scaler:
        layers[0] = fold(layers[0], scaler)
    model, report = quantise(
        data.name,
        layers,
        data.x,
        ranges=declared_ranges(args.range, data),
        led_threshold=led_threshold(args.led_threshold, layers[-1], data),
        nearest_threshold=args.led_threshold is None,
    )
    return Trained(
        name=name,
        data=data,
        algorithm=args.algorithm or recipe_of(name, args).algorithm,
        config=config,
        fit=fitted,
        losses={part: measure(fitted.end.parameters) for part, measure in measures.items()},
        measures=measures,
        layers=layers,
        model=model,
        report=report,
        image=encode(model),
    )


def grid_axes(ends: list[float] | None, parameters: int) -> list[list[float]]:
    """--grid low,high,step for all parameters, or low,high,step,low,high,step,... for each."""
    ends = ends or [0.0, 4.0, 0.1]
    if len(ends) == 3:
        ends = ends * parameters
    if len(ends) != 3 * parameters:
        raise NeuronError(f"--grid has {len(ends)} numbers: give 3 (low,high,step) or {3 * parameters}")
    triples = list(zip(ends[::3], ends[1::3], ends[2::3], strict=True))
    for low, high, step in triples:
        if step <= 0 or high < low:
            raise NeuronError(
                f"--grid {low:g},{high:g},{step:g} has no points: give low,high,step, step above 0"
            )
    return grid.axes(triples)


def led_threshold(wanted: float | None, last: Dense, data: Dataset) -> float:
    """Of the first output: as told, else 0 for a step, else the middle of the targets."""
    if wanted is not None:
        return wanted
    first = data.targets[:, 0]
    return 0.0 if last.activation is Activation.STEP else float((first.min() + first.max()) / 2)


def declared_ranges(ends: list[float] | None, data: Dataset) -> list[tuple[float, float]] | None:
    """--range low,high for all inputs, or low,high,low,high,... for each."""
    if ends is None:
        return None
    inputs = data.x.shape[1]
    if len(ends) == 2:
        ends = ends * inputs
    if len(ends) != 2 * inputs:
        raise NeuronError(
            f"--range has {len(ends)} numbers: give 2 (low,high for all inputs) or {2 * inputs}"
        )
    return list(zip(ends[::2], ends[1::2], strict=True))


def draw(trained: Trained, args: argparse.Namespace) -> None:
    """--plot and --show: a picture of the training."""
    history, searched = trained.fit.history, trained.algorithm == "grid"
    start = [] if searched else [start_of(trained.name, trained.config, args)]
    how = trained.fit.stopped if searched else f"rate {trained.config.rate:g}, {len(history)} epochs"
    of = f" of {trained.data.target}" if trained.data.targets.shape[1] == 1 else ""
    names = [*trained.data.inputs, "b"] if args.standardise and trained.is_neuron else []
    subject = subject_of(
        trained.layers,
        trained.model,
        trained.report,
        title=f"{trained.label}: {len(trained.data)} samples, {trained.algorithm}, {how}",
        inputs=trained.data.inputs,
        target=trained.data.target,
        x=trained.data.x,
        y=trained.data.y,
        path=[*start, *(epoch.parameters for epoch in history)],
        counts=[epoch.epoch + 1 for epoch in history] if searched else None,
        counted="points tried" if searched else "epochs done",
        kept=history.index(trained.fit.end) + len(start),
        stopped="" if searched else trained.fit.stopped,
        losses=trained.measures,
        loss_name=LOSS_NAMES[trained.config.loss] + of,
        **({"parameters": [f"weight of {name}, standardised" for name in names]} if names else {}),
    )
    picture.draw(args.plot, subject, show=args.show)


def train_there(
    node: Node, trained: Trained, args: argparse.Namespace, out: Console | None
) -> dict[str, Any]:
    """Let the node train itself on the same data from the same start, and compare; its image is then staged there."""
    from host.onboard import Wish, train_on_board

    wish = Wish(
        config=trained.config,
        x=trained.data.x,
        y=trained.data.targets,
        start=start_of(trained.name, trained.config, args),
        ranges=trained.report.ranges,
        model=trained.model,
        led_threshold=led_threshold(args.led_threshold, trained.layers[-1], trained.data),
    )
    with cli.progress(out, keep=True) as progress:
        learnt = train_on_board(node, wish, progress)
    say(
        out,
        f"  the same bits after each of {learnt.compared} epochs, and the same image, CRC-32 {learnt.crc:08x}",
    )
    return {
        "epochs": learnt.epochs,
        "loss": learnt.loss,
        "parameters": learnt.parameters,
        "crc32": learnt.crc,
    }


def deploy_to(node: Node, trained: Trained, out: Console | None, staged: bool = False) -> dict[str, Any]:
    """Deploy, or commit what is staged; then evaluate the data's rows on the node, over the bus, and compare with the
    float model."""
    from host.deploy import commit_staged, deploy

    with cli.progress(out, keep=True) as progress:
        deployed = (commit_staged if staged else deploy)(node, trained.image, progress=progress)
    rows = look_at_rows(node, trained)
    say(
        out,
        f"  running: CRC-32 {deployed.crc:08x}, sequence {deployed.sequence}, after {deployed.seconds:.1f} s",
    )
    say(out)
    header, *lines = plot.node_table(rows, trained.data, drawn=cli.can_draw())
    say(out, header + (" in Renode" if node.lamp else ""))
    for line, row in zip(lines, rows, strict=True):
        say(out, line, style="bold red" if row.led else None)
    _, expected = reference(trained.layers, np.array([row.inputs for row in rows]))
    difference = float(np.abs(np.array([row.outputs for row in rows]) - expected).max())
    say(out)
    say(out, f"  largest difference from the float model in these {len(rows)} rows: {difference:.2g}")
    return {
        "address": deployed.address,
        "crc32": deployed.crc,
        "sequence": deployed.sequence,
        "seconds": deployed.seconds,
        "difference": difference,
        "rows": [
            {
                "inputs": row.inputs,
                "output": row.outputs[0],
                **({"outputs": row.outputs} if len(row.outputs) > 1 else {}),
                "led": row.led,
            }
            for row in rows
        ],
    }


def look_at_rows(node: Node, trained: Trained) -> list[Row]:
    """Evaluate the data's rows on the node. The lamp is looked at where it can be seen, else the node is believed."""
    from host.deploy import evaluate_rows

    x = rows_to_show(trained.data)
    if node.lamp is None:
        return evaluate_rows(node, trained.model, x)
    rows = []
    for inputs in x[:, np.newaxis]:
        (row,) = evaluate_rows(node, trained.model, inputs)
        rows.append(replace(row, led=node.lamp()))
    return rows


ROWS_SHOWN = 16


def rows_to_show(data: Dataset) -> Float:
    """Rows of inputs, each once and sorted; some, evenly spread, where there are many."""
    rows: Float = np.unique(data.x, axis=0)
    chosen: Float = rows[np.linspace(0, len(rows) - 1, min(ROWS_SHOWN, len(rows))).round().astype(int)]
    return chosen


if __name__ == "__main__":
    sys.exit(main())

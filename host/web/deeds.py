"""What the page may do with a node: the same checks, and the same words, as the commands have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from host.errors import NeuronError
from host.node import coils, trials
from host.node.asking import OnNode
from host.node.identity import Identity
from host.node.keyed import obeyed
from host.node.keyfile import Signer
from host.node.link import Link
from host.node.node import Node
from host.node.staging import checked_image, deploy, rollback, try_out
from host.progress import Progress
from host.show.describe import class_names
from host.show.frames import spoken
from host.web.poller import Polled
from host.web.shapes import Json

Deed = Callable[[Node, Progress], Json]
"""What is done, telling how far it is; what is to be said of it: `lines` for people, and what else there is."""

NO_MODEL = "deploy one first"


@contextmanager
def overheard(link: Link) -> Iterator[list[tuple[str, bytes]]]:
    """The frames that pass meanwhile."""
    frames: list[tuple[str, bytes]] = []
    before = link.seen

    def seen(way: str, data: bytes) -> None:
        frames.append((way, data))
        if before is not None:
            before(way, data)

    link.seen = seen
    try:
        yield frames
    finally:
        link.seen = before


def give_inputs(polled: Polled, signer: Signer | None, values: list[float]) -> Json:
    """Write a row of inputs, in their own units; what the node makes of it, which is what our twin makes of it, and the
    frames that did it. NeuronError where the model has other inputs, or takes them from channels."""
    assert polled.node is not None
    model = polled.watching.model if polled.watching else None
    if polled.watching is None or model is None:
        raise NeuronError(f"the node runs no model: {NO_MODEL}")
    if len(values) != model.inputs:
        raise NeuronError(f"the model takes {model.inputs} inputs, {len(values)} were given")
    node = obeyed(polled.node, signer, changes=False)
    asked = OnNode(node, NO_MODEL, "the switch beside the inputs", polled.watching.image)
    with overheard(node.link) as frames:
        answers = asked.ask([values])
    names = class_names(model)
    return {
        "inputs": answers.used[0].tolist(),
        "outputs": answers.outputs[0].tolist(),
        "led": bool(answers.led[0]),
        "class": names[int(answers.classes[0])] if names else None,
        "out_of_range": bool(answers.out_of_range[0]),
        "clipped": bool(answers.cut[0]),
        "warnings": asked.warnings(),
        "frames": spoken(frames),
    }


def deploying(image: bytes, trial: int) -> Deed:
    """The image onto the node, to stay, or on trial for so many seconds."""
    checked_image(image)

    def do(node: Node, progress: Progress) -> Json:
        blinked = "IDENTIFY" in coils.held_by(node)
        if blinked:  # the proof looks at the lamp
            coils.identify(node, False)
        done = (
            try_out(node, image, trial, progress=progress)
            if trial
            else deploy(node, image, progress=progress)
        )
        said = ["the lamp blinks no more"] * blinked + [*done.in_words(), *done.warnings]
        if trial and not done.already:
            said.append(f"on trial for {trial} s: confirm it, or the model of before comes back")
        return {"lines": said, **done.as_dict()}

    return do


def _identity(doing: Callable[[Node], Identity], node: Node, progress: Progress) -> Json:
    identity = doing(node)
    return {
        "lines": [
            f"running: CRC-32 {identity.model_crc:08x}, sequence {identity.sequence}",
            *identity.warnings(),
        ]
    }


def _acknowledge(node: Node, progress: Progress) -> Json:
    return {"lines": ["the latch is let go" if coils.acknowledge(node) else "nothing was latched"]}


def _coil(setting: Callable[[Node, bool], None], on: bool, node: Node, progress: Progress) -> Json:
    setting(node, on)
    return {"lines": []}


def setting(name: str, on: bool) -> Deed:
    """override or identify."""
    return partial(_coil, SETTINGS[name], on)


SETTINGS = {"override": coils.override, "identify": coils.identify}
SIMPLE: dict[str, Deed] = {
    "confirm": partial(_identity, trials.confirm),
    "revert": partial(_identity, trials.revert),
    "rollback": partial(_identity, rollback),
    "acknowledge": _acknowledge,
}
"""What needs to be told nothing more."""
RUNS = {"acknowledge", *SETTINGS}
"""Deeds that change neither model nor settings."""


def carry_out(polled: Polled, signer: Signer | None, kind: str, deed: Deed, progress: Progress) -> Json:
    """Do it, in the form that the node obeys."""
    assert polled.node is not None
    return deed(obeyed(polled.node, signer, changes=kind not in RUNS), progress)

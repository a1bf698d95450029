"""A training on a node, beside ours: its bits are compared at every frame, where it pauses, and on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from host.core.wire import Command, Training
from host.errors import NeuronError, counted
from host.node.client import NodeError
from host.node.node import Node
from host.training import onboard
from host.training.onboard import Companion, Standing, Watch, Wish
from host.web import learning
from host.web.shown import PARAMETERS_MAX, BoardFrame, BoardStep

SENDING, TRAINING = "send the data", "train on the board"


def beside(node: Node, training: learning.Training) -> Iterator[BoardStep]:
    """Have the node train itself as `training` was trained here, one short piece of work a step: between two the line
    is free for others. The last step is that at the end, or at the first difference. Whoever closes this stops the
    training on the node; its running model is not touched by any of it.

    NeuronError where a node has no room for it; NodeError where it refuses, is restarted or stopped by somebody.
    """
    wish, stops = _wish_of(training)
    onboard.require_fits(wish)
    if (text := _require_free(node)) is not None:
        yield _step(SENDING, 0, 1, text=text)
    for done, total in node.writing_bytes("ARENA", onboard.arena(wish)):
        yield _step(SENDING, done, total)
    node.write_values(**{**onboard.order(wish), "TRAIN_PAUSE": stops[0]})
    try:
        node.command(Command.TRAIN, "train")
        yield from _followed(node, wish, stops)
    finally:
        with suppress(NeuronError):  # of a node that has gone, the first failure says more
            onboard.stop_on_board(node)


def _wish_of(training: learning.Training) -> tuple[Wish, list[int]]:
    """What the node is to learn, and the epochs after which it pauses; 0: it does not pause any more."""
    plan = training.plan
    if plan is None or training.start == []:
        raise NeuronError("there is no training yet that a node could do beside it: train first")
    if plan.data.windows is not None:
        raise NeuronError(
            "a node measures the windows of a recording, it does not learn from them: train on rows to see it learn"
        )
    if training.diverged:
        wish = onboard.wish_to_diverge(plan, training.diverged)
    else:
        assert training.trained is not None
        wish = onboard.wish_of(training.trained)
    frames = [frame["epoch"] for frame in training.as_dict()["frames"]]
    return wish, [*(epoch for epoch in frames if 0 < epoch < wish.config.epochs), 0]


def _require_free(node: Node) -> str | None:
    """What is to be said of a training that a page has left behind, which is ended; NodeError for one that runs."""
    board = onboard.read_standing(node)
    if board.state is Training.RUNNING:
        raise NodeError("a training is under way on the node: wait until it has ended")
    if board.state is not Training.PAUSED:
        return None
    onboard.stop_on_board(node)
    return f"a training that stood still on the node after {counted(board.epoch, 'epoch')} is ended"


def _followed(node: Node, wish: Wish, stops: list[int]) -> Iterator[BoardStep]:
    """From stop to stop, until it ends or differs. stops: the first is under way."""
    companion, watch, total = Companion(wish), Watch(wish), wish.config.epochs
    coming = iter(stops[1:])
    while True:
        board = onboard.read_standing(node)
        watch.look(board)
        if board.state is Training.STOPPED:
            raise NodeError(onboard.stopped_in_words(board))
        agrees = companion.agrees(board)
        if board.state is Training.RUNNING and agrees:
            yield _step(TRAINING, board.epoch, total)
            continue
        frame = _frame(node, wish, board, companion, agrees)
        text = _in_words(node, board) if frame["equal"] else onboard.differs_in_words(board)
        yield _step(TRAINING, board.epoch, total, frame, text)
        if not frame["equal"] or board.state is not Training.PAUSED:
            return
        node.write_values(TRAIN_PAUSE=next(coming))
        node.command(Command.RESUME, "go on with the training")
        yield _step(TRAINING, board.epoch, total)


def _frame(node: Node, wish: Wish, board: Standing, companion: Companion, equal: bool) -> BoardFrame:
    """What the node has now, beside what we had then. equal: so far."""
    parameters = list[float]()
    diverged = board.state is Training.DIVERGED
    if not diverged:  # what is not a number has no bits to compare
        equal = equal and board.loss == companion.loss
        if wish.config.count <= PARAMETERS_MAX:
            theirs = onboard.read_parameters(node, wish, board.parameters)
            equal = (
                equal and theirs.tobytes() == np.array(companion.parameters).astype(theirs.dtype).tobytes()
            )
            parameters = [value for value in theirs.tolist() if math.isfinite(value)]
    return {
        "epoch": board.epoch,
        "loss": board.loss if math.isfinite(board.loss) else None,
        "parameters": parameters if len(parameters) == wish.config.count else [],
        "equal": equal,
    }


def _in_words(node: Node, board: Standing) -> str:
    if board.state is Training.DIVERGED:
        return f"the training on the board diverged in epoch {board.epoch}, as ours did"
    return onboard.no_model_in_words(node.identity().reason) if board.state is Training.REFUSED else ""


def _step(step: str, done: int, total: int, frame: BoardFrame | None = None, text: str = "") -> BoardStep:
    return {"step": step, "done": done, "total": total, "frame": frame, "text": text}

"""Let a node train itself, and train beside it: the same bits after every epoch, and the same image at the end.

The board's memory for it, ARENA, is drawn in firmware/app/trainer.h.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.image import Model, Names, encode, image_crc
from host.core.infer import dequantise_inputs
from host.core.learn import Config
from host.core.registers import Block
from host.core.wire import (
    ARENA_BYTES,
    LAYERS_MAX,
    NAME_BYTES,
    REASON_TEXT,
    UNITS_MAX,
    Command,
    Reason,
    Training,
)
from host.errors import NeuronError, counted
from host.models.dense import dense_layers
from host.models.quantise import quantise
from host.models.report import Report
from host.node.client import NodeError
from host.node.identity import Strange, checked, known
from host.node.node import Node
from host.progress import Progress, silent
from host.training.fit import Diverged, epochs
from host.training.plan import Plan
from host.training.trained import Trained

POLL_SECONDS = 0.02
STILL_SECONDS = 60.0
STILL_SECONDS_PRODUCT = 1e-4
"""An epoch may take so long, and so much more for each product of a sample and a parameter: four times what float64
Adam takes on the board, one sample after the other."""

STANDING = Block.between("TRAIN_STATE", "TRAIN_PARAMETERS")


@dataclass(frozen=True)
class Wish:
    """What a board is to learn. x: (samples, inputs); y: (samples, outputs); start: a parameter each, as learn
    orders them; ranges: (low, high) of each input in raw units; model: what the host's own training became, whose
    self-test and lamp the board's image is to have, without names and release, which no board writes; led_threshold: in
    units of the output; shared_outputs: as quantise's. weights: (samples,), None for 1; scales: mean and deviation of
    each input, then of each output, by which x and y were standardised, None where they were not."""

    config: Config
    x: NDArray[Any]
    y: NDArray[Any]
    start: list[float]
    ranges: list[tuple[float, float]]
    model: Model
    led_threshold: float
    shared_outputs: bool = False
    weights: NDArray[Any] | None = None
    scales: list[tuple[float, float]] | None = None


@dataclass(frozen=True)
class Standing:
    """How the training on the board stands."""

    state: Training
    epoch: int
    loss: float
    chain: int
    parameters: int


@dataclass(frozen=True)
class Learnt:
    """A training on the board that gave the bits of our own. parameters: as the board has them; crc: of the image
    that is staged there."""

    epochs: int
    loss: float
    parameters: list[float]
    crc: int
    compared: int


def wish_of(trained: Trained) -> Wish:
    """To have a board learn what was learnt here."""
    fit = trained.fit
    wish = _wish(trained.plan, trained.start, trained.model, trained.report)
    # Where an earlier epoch counts, the board ends there.
    earlier = fit.end is not fit.history[-1]
    return replace(wish, config=replace(wish.config, epochs=fit.end.epoch + 1)) if earlier else wish


def wish_to_diverge(plan: Plan, diverged: Diverged) -> Wish:
    """To have a board diverge as we did: no model comes of that."""
    return _wish(plan, list(diverged.start), *_blank(plan))


def _wish(plan: Plan, start: list[float], model: Model, report: Report) -> Wish:
    x, y = plan.samples.of("training")
    return Wish(
        config=plan.config,
        x=x,
        y=y,
        start=start,
        ranges=report.ranges,
        model=replace(model, names=Names(), release=0),
        led_threshold=plan.lamp.threshold,
        shared_outputs=plan.shared_outputs,
        weights=plan.samples.weights,
        scales=_scales_of(plan) if plan.standardised else None,
    )


def _scales_of(plan: Plan) -> list[tuple[float, float]]:
    """Mean and deviation of each input, then of each output."""
    scales: list[tuple[float, float]] = []
    for scaler, columns in zip(
        (plan.samples.input_scaler, plan.samples.target_scaler),
        (plan.config.units[0], plan.config.units[-1]),
        strict=True,
    ):
        scales += zip(scaler.mean, scaler.deviation, strict=True) if scaler else [(0.0, 1.0)] * columns
    return scales


def arena_bytes(
    config: Config, samples: int, vectors: int, *, weighted: bool = False, scaled: bool = False
) -> int:
    """Bytes of a node's arena that a training takes: what it is given, room for the model of raw values where it is
    scaled, and what learn.c works in behind it."""
    inputs, outputs, real = config.units[0], config.units[-1], np.dtype(config.dtype).itemsize
    numbers = samples * (inputs + outputs + weighted) + config.count
    given = 16 * (inputs + scaled * (inputs + outputs)) + real * numbers + 4 * vectors * inputs
    gradient = config.adam or config.batch != 1 or config.decay
    reals = config.count * (1 + gradient + 2 * config.adam) + 2 * sum(config.units[1:])
    raw = 8 * config.count * scaled
    return given + -given % 8 + raw + real * reals + 4 * samples * config.shuffle


def _require_room(config: Config, samples: int, vectors: int, *, weighted: bool, scaled: bool) -> None:
    needed = arena_bytes(config, samples, vectors, weighted=weighted, scaled=scaled)
    if needed > ARENA_BYTES:
        smaller = " or --dtype float32" if config.dtype is np.float64 else ""
        raise NeuronError(
            f"training on the board takes {needed} bytes, a node has room for {ARENA_BYTES}: use fewer rows{smaller}"
        )


def check_room(plan: Plan) -> None:
    """NeuronError where no node has the room for this training: known before anything is trained or opened."""
    config, samples = plan.config, plan.samples
    rows, weighted = len(samples.parts["training"]), samples.weights is not None
    _require_room(config, rows, 1, weighted=weighted, scaled=plan.standardised)
    model, _ = _blank(plan)
    _require_room(config, rows, len(model.vector_inputs), weighted=weighted, scaled=plan.standardised)


def _blank(plan: Plan) -> tuple[Model, Report]:
    """The model of weights that are all 0: the self-test's rows do not depend on them."""
    layers = dense_layers(plan.config, [0.0] * plan.config.count)
    return quantise("", layers, plan.samples.seen, ranges=plan.ranges, nearest_threshold=True)


def require_fits(wish: Wish) -> None:
    """NeuronError where no node takes this training."""
    if max(wish.config.units) > UNITS_MAX:
        raise NeuronError(f"a node takes at most {UNITS_MAX} units a layer")
    _require_room(
        wish.config,
        len(wish.x),
        len(wish.model.vector_inputs),
        weighted=wish.weights is not None,
        scaled=wish.scales is not None,
    )


def arena(wish: Wish) -> bytes:
    """The part of the arena that the board is given."""
    config, model = wish.config, wish.model
    real = np.dtype(config.dtype).newbyteorder("<")
    parts = [
        np.array(wish.ranges, "<f8"),
        np.array(wish.scales or [], "<f8"),
        np.asarray(wish.x).astype(real),
        np.asarray(wish.y).astype(real),
        np.array([] if wish.weights is None else wish.weights).astype(real),
        np.array(wish.start).astype(real),
        dequantise_inputs(model, model.vector_inputs).astype("<f4"),
    ]
    data = b"".join(part.tobytes() for part in parts)
    return data + bytes(len(data) % 2)


def order(wish: Wish) -> dict[str, Any]:
    """The training's registers, TRAIN_LAYERS to TRAIN_NAME."""
    config, model = wish.config, wish.model
    return {
        "TRAIN_LAYERS": len(config.units) - 1,
        "TRAIN_UNITS": [*config.units, *[0] * (LAYERS_MAX + 1 - len(config.units))],
        "TRAIN_ACTIVATION": [*config.activation, *[0] * (LAYERS_MAX - len(config.activation))],
        "TRAIN_BIAS": config.bias,
        "TRAIN_LOSS_KIND": config.loss,
        "TRAIN_ADAM": config.adam,
        "TRAIN_SHUFFLE": config.shuffle,
        "TRAIN_BITS": 8 * np.dtype(config.dtype).itemsize,
        "TRAIN_SEED": config.seed,
        "TRAIN_SAMPLES": len(wish.x),
        "TRAIN_BATCH": config.batch,
        "TRAIN_EPOCHS": config.epochs,
        "TRAIN_PAUSE": 0,
        "TRAIN_RATE": config.rate,
        "TRAIN_TOLERANCE": config.tolerance,
        "TRAIN_VECTORS": len(model.vector_inputs),
        "TRAIN_LED_OUTPUT": model.led_output,
        "TRAIN_LED_THRESHOLD": wish.led_threshold,
        "TRAIN_LED_CLASS": model.led_class,
        "TRAIN_SHARED_OUTPUTS": wish.shared_outputs,
        "TRAIN_L2": config.l2,
        "TRAIN_WEIGHTED": wish.weights is not None,
        "TRAIN_SCALED": wish.scales is not None,
        "TRAIN_NAME": model.name.encode("ascii")[:NAME_BYTES],
    }


def read_standing(node: Node) -> Standing:
    values = node.read_block(STANDING)
    return Standing(
        known(Training, "TRAIN_STATE", values["TRAIN_STATE"]),
        values["TRAIN_EPOCH"],
        values["TRAIN_LOSS"],
        values["TRAIN_CHAIN"],
        values["TRAIN_PARAMETERS"],
    )


def _upload(node: Node, wish: Wish, progress: Progress) -> None:
    node.write_bytes("ARENA", arena(wish), progress, "send the data")
    node.write_values(**order(wish))


def read_parameters(node: Node, wish: Wish, at: int) -> NDArray[Any]:
    """The parameters as they stand in the board's memory."""
    real = np.dtype(wish.config.dtype).newbyteorder("<")
    size = wish.config.count * real.itemsize
    if checked("TRAIN_PARAMETERS", at, 0, ARENA_BYTES - size) % 4:
        raise Strange("TRAIN_PARAMETERS", at)
    return np.frombuffer(node.read_bytes("ARENA", size, at), real)


def chains(wish: Wish) -> Iterator[tuple[int, float, list[float]]]:
    """Our own training beside the board's: after each epoch the CRC-32 over all parameters so far, the loss, and the
    parameters."""
    real = np.dtype(wish.config.dtype).newbyteorder("<")
    chain = 0
    for loss, parameters in epochs(wish.config, wish.x, wish.y, wish.start, wish.weights):
        chain = zlib.crc32(np.array(parameters).astype(real).tobytes(), chain)
        yield chain, loss, parameters


class Companion:
    """Our own training, run as far as the board's has come, to compare."""

    def __init__(self, wish: Wish) -> None:
        self._epochs = chains(wish)
        self._chain = 0
        self.epoch = 0
        self.loss = 0.0
        self.parameters: list[float] = []

    @property
    def diverged(self) -> bool:
        return not all(map(math.isfinite, (self.loss, *self.parameters)))

    def compare(self, board: Standing) -> None:
        """NodeError unless the board `agrees`."""
        if not self.agrees(board):
            raise NodeError(differs_in_words(board))

    def agrees(self, board: Standing) -> bool:
        """Whether the board had our bits after every epoch so far, or diverged where we did."""
        while self.epoch < board.epoch:
            self._chain, self.loss, self.parameters = next(self._epochs, (0, 0.0, []))
            self.epoch += 1
        if board.state is Training.DIVERGED:
            return self.diverged
        return not board.epoch or self._chain == board.chain


def differs_in_words(board: Standing) -> str:
    return (
        f"the board's parameters differ from ours in epoch {board.epoch} or before: "
        "is its firmware of the same version?"
    )


class Watch:
    """Looks whether a training goes on: an epoch follows the other, and none takes too long."""

    def __init__(self, wish: Wish) -> None:
        self._epochs = wish.config.epochs
        self._patience = STILL_SECONDS + STILL_SECONDS_PRODUCT * len(wish.x) * wish.config.count
        self._epoch, self._since = 0, time.monotonic()

    def look(self, board: Standing) -> None:
        if board.state is Training.NONE:
            raise NodeError("the training was lost: the node has started anew; its model is as it was")
        now = time.monotonic()
        if checked("TRAIN_EPOCH", board.epoch, 0, self._epochs) < self._epoch:
            raise NodeError(
                f"the training on the board went back from epoch {self._epoch} to {board.epoch}: "
                "has another master begun one?"
            )
        if board.epoch > self._epoch:
            self._epoch, self._since = board.epoch, now
        elif board.state is Training.RUNNING and now - self._since > self._patience:
            raise NodeError(
                f"the training on the board has not left epoch {board.epoch} for {round(self._patience, 1):g} s: "
                "stopped"
            )


def stopped_in_words(board: Standing) -> str:
    return f"the training on the board was stopped after {counted(board.epoch, 'epoch')}"


def no_model_in_words(reason: Reason) -> str:
    return f"the board could not make a model of what it learnt: {REASON_TEXT[reason]} ({reason.name})"


def stop_on_board(node: Node) -> None:
    """End a training that is under way; the running model goes on."""
    node.command(Command.STOP, "stop training")


def train_on_board(node: Node, wish: Wish, progress: Progress = silent) -> Learnt:
    """Have the node train, and compare. In the end the image of what it learnt is verified and staged there.

    NodeError where the bits differ, or where the node refuses, diverges, stands still or is stopped by somebody else;
    the running model is not touched by any of it.
    """
    require_fits(wish)
    _upload(node, wish, progress)
    companion, watch = Companion(wish), Watch(wish)
    node.command(Command.TRAIN, "train")
    try:
        while True:
            board = read_standing(node)
            watch.look(board)
            if board.state is Training.PAUSED:
                raise NodeError(
                    f"the training on the board was paused after {counted(board.epoch, 'epoch')}: "
                    "does another master use it?"
                )
            if board.state not in (Training.STOPPED, Training.REFUSED):
                companion.compare(board)
            progress("train on the board", min(board.epoch, wish.config.epochs), wish.config.epochs)
            if board.state is not Training.RUNNING:
                break
            time.sleep(POLL_SECONDS)
    except BaseException:
        with suppress(NeuronError):  # of a node that has gone, the first failure says more
            stop_on_board(node)
        raise
    return _learnt(node, wish, board, companion)


def _learnt(node: Node, wish: Wish, board: Standing, companion: Companion) -> Learnt:
    identity = node.identity()
    if board.state is Training.DIVERGED:
        raise NodeError(f"the training on the board diverged in epoch {board.epoch}: try a smaller --lr")
    if board.state is Training.STOPPED:
        raise NodeError(stopped_in_words(board))
    if board.state not in (Training.DONE, Training.CONVERGED):
        raise NodeError(no_model_in_words(identity.reason))
    theirs = read_parameters(node, wish, board.parameters)
    ours = np.array(companion.parameters).astype(theirs.dtype)
    if theirs.tobytes() != ours.tobytes() or board.loss != companion.loss:
        raise NodeError("the board's final parameters differ from ours")
    crc = image_crc(encode(wish.model))
    if identity.reason is not Reason.NONE or identity.staged_crc != crc:
        raise NodeError(
            f"the board's image, CRC-32 {identity.staged_crc:08x}, is not ours, {crc:08x} "
            f"(reason {identity.reason.name})"
        )
    return Learnt(board.epoch, board.loss, theirs.tolist(), crc, companion.epoch)

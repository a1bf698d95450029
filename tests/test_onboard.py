"""A node trains itself and has, after every epoch, the bits of host/core/learn.py; in the end, the same image."""

from __future__ import annotations

import itertools
import math
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from host.boards.opening import open_node
from host.boards.simulated import simulate
from host.core import learn
from host.core.image import encode, image_crc
from host.core.infer import dequantise_outputs, infer, led, quantise_inputs
from host.core.registers import pack
from host.core.wire import (
    ARENA_BYTES,
    BY_NAME,
    VECTORS_MAX,
    Activation,
    Command,
    Loss,
    Reason,
    Table,
    Training,
)
from host.data.scaler import Scaler, fold, unscaled
from host.errors import NeuronError
from host.models.dense import dense_layers, reference
from host.models.quantise import default_ranges, quantise
from host.node.client import NodeError
from host.node.node import Node, Refused
from host.node.staging import commit_staged, deploy
from host.training import onboard
from host.training.onboard import (
    Companion,
    Standing,
    Watch,
    Wish,
    arena_bytes,
    chains,
    check_room,
    order,
    read_standing,
    stop_on_board,
    train_on_board,
    wish_of,
)
from host.training.options import Options
from host.training.pipeline import train
from host.training.plan import make_plan
from host.training.samples import Samples
from tests.patience import PATIENCE

IDENTITY, RELU, STEP, SIGMOID, TANH = Activation
STEPS = 1000

AND_X = [[1, 0], [0, 1], [0, 0], [1, 1]]
AND_Y = [-1, -1, -1, 1]
AND_START = [0.666, 0.333, 0.233]
AND = learn.Config((2, 1), (STEP,), batch=1, epochs=20, rate=0.01)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with simulate() as sim, open_node(sim.port) as opened:
        yield opened


def wish(
    config: learn.Config,
    x: Any,
    y: Any,
    start: list[float],
    threshold: float = 0.0,
    weights: Any = None,
    scales: list[tuple[float, float]] | None = None,
    **options: Any,
) -> Wish:
    """What a board is asked to learn, with the model that our own training becomes. x, y: raw; options: quantise's."""
    table = np.array(x, dtype=np.float64).reshape(len(x), -1)
    targets = np.array(y, dtype=np.float64).reshape(len(x), -1)
    mean, deviation = np.array(scales or [(0, 1)] * (config.units[0] + config.units[-1])).T
    split = [config.units[0]]
    (in_mean, out_mean), (in_scale, out_scale) = np.split(mean, split), np.split(deviation, split)
    asked = Wish(
        config,
        (table - in_mean) / in_scale,
        (targets - out_mean) / out_scale,
        start,
        [],
        None,  # type: ignore[arg-type]
        threshold,
        weights=weights,
        scales=scales,
    )
    _, _, parameters = list(chains(asked))[-1]
    layers = dense_layers(config, parameters)
    layers[-1] = unscaled(layers[-1], Scaler(out_mean.tolist(), out_scale.tolist()))
    layers[0] = fold(layers[0], Scaler(in_mean.tolist(), in_scale.tolist()))
    ranges = default_ranges(table)
    model, _ = quantise("learnt", layers, table, ranges=ranges, led_threshold=threshold, **options)
    return replace(asked, ranges=ranges, model=model, shared_outputs=options.get("shared_outputs", False))


def samples(units: tuple[int, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(units))
    return rng.normal(size=(count, units[0])), rng.uniform(0, 1, size=(count, units[-1])).round(3)


MODELS = {
    "wx": ((1, 1), (IDENTITY,), False, Loss.MEAN),
    "wxb": ((3, 1), (IDENTITY,), True, Loss.HALF),
    "logistic": ((2, 1), (SIGMOID,), True, Loss.CROSS),
    "mlp": ((2, 4, 1), (RELU, IDENTITY), True, Loss.SUM),
    "classes": ((2, 4, 3), (TANH, IDENTITY), True, Loss.SOFTMAX),
}
METHODS = {
    "batch": {"batch": 0},
    "sgd": {"batch": 1},
    "shuffled": {"batch": 1, "shuffle": True, "seed": 7},
    "minibatch": {"batch": 2, "shuffle": True, "seed": 1},
    "adam": {"batch": 0, "adam": True},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", MODELS)
def test_the_board_has_our_bits_after_every_epoch(node: Node, model: str, method: str, dtype: type) -> None:
    units, activation, bias, loss = MODELS[model]
    options = METHODS[method]
    steps = {0: 1, 1: 5, 2: 3}[int(options["batch"])]
    config = learn.Config(
        units, activation, bias=bias, loss=loss, rate=0.01, dtype=dtype, epochs=-(-STEPS // steps), **options
    )
    x, y = samples(units, 5)
    start = np.random.default_rng(3).normal(size=config.count) * 0.5
    learnt = train_on_board(node, wish(config, x, y, start.tolist()))
    assert learnt.epochs == learnt.compared == config.epochs
    assert learnt.epochs * steps >= STEPS
    assert len(learnt.parameters) == config.count


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("options", [{"batch": 1, "shuffle": True}, {"batch": 3}, {"adam": True}], ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_l2_weights_and_raw_units(node: Node, model: str, options: dict[str, Any], dtype: type) -> None:
    units, activation, bias, loss = MODELS[model]
    config = learn.Config(
        units, activation, bias=bias, loss=loss, rate=0.01, dtype=dtype, epochs=100, l2=0.02, **options
    )
    x, y = samples(units, 7)
    more: dict[str, Any] = {"weights": np.linspace(0, 3, 7)}
    if activation[-1] is IDENTITY:
        columns = units[0] + units[-1]
        means = np.linspace(-400, 300, columns) * bias
        more["scales"] = [*zip(means, 10.0 ** np.arange(-3, columns - 3), strict=True)]
        raw = np.hstack([x, y]) * [deviation for _, deviation in more["scales"]] + means
        x, y = raw[:, : units[0]], raw[:, units[0] :]
    start = np.random.default_rng(3).normal(size=config.count) * 0.5
    asked = wish(config, x, y, start.tolist(), **more)
    assert train_on_board(node, asked).compared == config.epochs
    del more["weights"]
    assert encode(wish(replace(config, l2=0.0), x, y, start.tolist(), **more).model) != encode(asked.model)


def test_what_never_changes_weighs_nothing_on_the_board_either(node: Node) -> None:
    config = learn.Config((2, 1), (IDENTITY,), epochs=3)
    x, y = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]]), np.array([10.0, 20.0, 30.0])
    asked = wish(config, x, y, [1.0, 1.0, 0.0], scales=[(3.0, 2.0), (5.0, math.inf), (20.0, 8.0)])
    train_on_board(node, asked)
    assert asked.model.layers[0].weights[0, 1] == 0


def own_data(folder: Path, classes: int) -> str:
    """A file of raw units, far from 0 and of very different size; the target a number, or one of two classes."""
    random = np.random.default_rng(4)
    x = random.normal(size=(40, 2)) * [30.0, 0.002] + [1000.0, 0.5]
    y = 3 * (x[:, 0] - 1000) - 40_000 * (x[:, 1] - 0.5) + 7
    path = folder / "own.csv"
    rows = [
        f"{a!r},{b!r},{int(t > 60) if classes else t!r}"
        for (a, b), t in zip(x.tolist(), y.tolist(), strict=True)
    ]
    path.write_text("\n".join(["load,tilt,y", *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize("model", ["wxb", "logistic", "mlp"])
def test_own_data_are_trained_on_the_board_as_on_the_pc(node: Node, model: str, tmp_path: Path) -> None:
    path = own_data(tmp_path, model == "logistic")
    more = {"class_weight": "balanced", "l2": 0.01} if model == "logistic" else {}
    plan = make_plan(Options(model, data=path, epochs=60, **more))
    assert plan.standardised
    assert (plan.samples.weights is not None) == (model == "logistic")
    check_room(plan)
    trained = train(plan)
    wanted = wish_of(trained)
    learnt = train_on_board(node, wanted)
    assert learnt.epochs == trained.fit.end.epoch + 1
    assert learnt.parameters == pytest.approx(list(trained.fit.end.parameters), abs=0)
    commit_staged(node, encode(wanted.model))
    there = node.evaluate_float(plan.data.x.tolist(), 1).outputs
    assert (there == infer(trained.model, quantise_inputs(trained.model, plan.data.x))).all()
    errors = dequantise_outputs(trained.model, there) - reference(trained.layers, plan.data.x)[1]
    assert np.abs(errors).max() < 0.01 * np.ptp(plan.data.y)


SCALED: dict[str, dict[str, Any]] = {
    "own": {},
    "shared": {"shared_outputs": True},
    "class": {"led_class": True, "led_output": 2, "shared_outputs": True},
}


def far_from_0(dtype: type, options: dict[str, Any]) -> Wish:
    """Inputs far from 0, and outputs of different sizes. options: quantise's."""
    config = learn.Config((3, 3), (IDENTITY,), rate=1e-13, dtype=dtype, epochs=2)
    rng = np.random.default_rng(6)
    x = rng.uniform([290, 99_000, -1], [310, 101_000, 1], (9, 3)).astype(np.float32)
    weights, sizes = rng.normal(size=(3, 3)) * [1.0, 0.01, 10.0], np.array([[0.01], [1.0], [1e4]])
    start = [*(weights * sizes).ravel(), *(-weights @ [300, 100_000, 0] * sizes.ravel())]
    asked = wish(config, x, x @ weights.T, start, **options)
    assert [offset > 0 for offset in asked.model.input_offset] == [True, True, False]
    assert (len(set(asked.model.output_fraction)) > 1) == (options == {})
    return asked


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("scaled", SCALED)
def test_the_board_finds_the_same_offsets_and_scales(node: Node, scaled: str, dtype: type) -> None:
    asked = far_from_0(dtype, SCALED[scaled])
    assert train_on_board(node, asked).crc == image_crc(encode(asked.model))


def test_a_class_of_a_single_output_may_light_the_lamp_of_a_board(node: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START, led_class=True, led_output=1)
    train_on_board(node, asked)
    with pytest.raises(Refused) as caught:
        start(node, replace(asked, model=replace(asked.model, led_output=2)))
    assert caught.value.reason is Reason.TRAIN_SHAPE


def test_the_article_s_and_comes_out_of_the_board_and_lights_the_lamp(node: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    learnt = train_on_board(node, asked)
    assert learnt.parameters == [0.4514297388906616, 0.2369025056182418, -0.611635769357402]
    before = node.identity()
    assert before.staged_crc == learnt.crc
    deployed = commit_staged(node, encode(asked.model))
    assert deployed.crc == learnt.crc
    assert deployed.sequence == before.sequence + 1
    result = node.evaluate_float(AND_X, 1)
    assert result.outputs.ravel().tolist() == [0, 0, 0, 1]
    assert result.led.tolist() == [False, False, False, True]


def test_the_neuron_works_while_the_board_trains_and_stops_when_told(node: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    deploy(node, encode(asked.model))
    identity = node.identity()
    endless = wish(AND, AND_X, AND_Y, AND_START)
    endless = replace(endless, config=replace(AND, epochs=10**9))
    seen: list[int] = []

    def watch(step: str, done: int, total: int) -> None:
        """In the midst of the training: the neuron answers, then someone stops the training."""
        if step != "train on the board" or seen:
            return
        seen.append(done)
        expected = infer(asked.model, asked.model.vector_inputs)
        result = node.evaluate(asked.model.vector_inputs, 1)
        assert (result.outputs == expected).all()
        assert (result.led == led(asked.model, expected)).all()
        assert node.read(Table.DISCRETE, BY_NAME["TRAINING"].address, 1) == [1]
        with pytest.raises(NodeError, match="busy"):
            node_busy(node)
        stop_on_board(node)

    with pytest.raises(NodeError, match="stopped"):
        train_on_board(node, endless, watch)
    assert seen
    assert read_standing(node).state is Training.STOPPED
    after = node.identity()
    assert (after.model_crc, after.sequence) == (identity.model_crc, identity.sequence)
    assert node.read(Table.DISCRETE, BY_NAME["TRAINING"].address, 1) == [0]


def test_a_restart_amid_training_leaves_the_model(tmp_path: Path) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    with simulate(flash=str(tmp_path / "flash")) as sim, open_node(sim.port) as node:
        crc = deploy(node, encode(asked.model)).crc

        def restart(step: str, done: int, total: int) -> None:
            if step == "train on the board":
                node.command(Command.RESTART, "restart")

        with pytest.raises(NodeError, match="lost"):
            train_on_board(node, replace(asked, config=replace(AND, epochs=10**9)), restart)
        assert read_standing(node).state is Training.NONE
        assert node.identity().model_crc == crc
        assert node.evaluate_float(AND_X, 1).led.tolist() == [False, False, False, True]


def test_the_running_image_is_watched_while_the_board_trains(tmp_path: Path) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    image, path = encode(asked.model), tmp_path / "flash"
    with simulate(flash=str(path)) as sim, open_node(sim.port) as node:
        deploy(node, image)
        start(node, replace(asked, config=replace(AND, epochs=10**9)))
        assert node.identity().faults == ()
        with path.open("r+b") as file:
            file.seek(path.read_bytes().index(image) + 60)
            file.write(bytes([image[60] ^ 1]))
        deadline = time.monotonic() + PATIENCE
        while node.identity().faults != (Reason.ROTTEN_RUNNING,):
            assert time.monotonic() < deadline
        assert read_standing(node).state is Training.RUNNING
        stop_on_board(node)


def node_busy(node: Node) -> None:
    """A write to the stage, which the training will need, without the patience for a busy node."""
    from host.node import client as module

    patience, module.BUSY_SECONDS = module.BUSY_SECONDS, 0.0
    try:
        node.write(BY_NAME["STAGE"].address, [0])
    finally:
        module.BUSY_SECONDS = patience


def refused(node: Node, asked: Wish) -> Reason:
    with pytest.raises(Refused) as caught:
        train_on_board(node, asked)
    assert read_standing(node).state is Training.REFUSED
    return caught.value.reason


def test_what_cannot_be_trained_is_refused_and_the_model_goes_on(node: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    deploy(node, encode(asked.model))
    before = node.identity()
    nan = replace(asked, start=[float("nan"), 0.0, 0.0])
    assert refused(node, nan) is Reason.TRAIN_DATA
    swapped = replace(asked, ranges=[(1.0, 0.0), (0.0, 1.0)])
    assert refused(node, swapped) is Reason.TRAIN_DATA
    for change in ({"rate": math.inf}, {"tolerance": math.nan}, {"rate": 1e39, "dtype": np.float32}):
        assert refused(node, replace(asked, config=replace(AND, **change))) is Reason.TRAIN_DATA
    for change in ({"l2": math.inf}, {"l2": 1e39, "dtype": np.float32}):
        with np.errstate(over="ignore"):
            assert refused(node, replace(asked, config=replace(AND, **change))) is Reason.TRAIN_DATA
    for weight in (math.inf, math.nan):
        assert refused(node, replace(asked, weights=np.array([1, 1, weight, 1]))) is Reason.TRAIN_DATA
    for loss in (Loss.CROSS, Loss.SOFTMAX):
        other = replace(asked, config=replace(AND, loss=loss))
        assert refused(node, other) is Reason.TRAIN_SHAPE
    after = node.identity()
    assert (after.model_crc, after.sequence) == (before.model_crc, before.sequence)


ROOM = {
    "sgd": ((2, 1), {"batch": 1}),
    "batch, no bias": ((3, 1), {"bias": False}),
    "adam, float32": ((5, 7, 3), {"adam": True, "dtype": np.float32}),
    "shuffled": ((3, 2), {"batch": 1, "shuffle": True, "dtype": np.float32}),
    "all": ((13, 11, 2), {"adam": True, "shuffle": True, "batch": 7}),
    "l2, float32": ((4, 3), {"batch": 1, "l2": 0.1, "dtype": np.float32}),
    "weighted, float32": ((3, 2), {"batch": 1, "dtype": np.float32}),
    "scaled": ((3, 4, 2), {"adam": True}),
    "scaled, float32": ((3, 4, 2), {"batch": 1, "dtype": np.float32}),
}


@pytest.mark.parametrize("case", ROOM)
def test_the_room_that_a_training_takes_is_known_to_the_byte(case: str) -> None:
    units, options = ROOM[case]
    ways = {"weighted": "weighted" in case, "scaled": "scaled" in case}
    scales = [(0.0, 1.0)] * (units[0] + units[-1]) if ways["scaled"] else None
    activation = (IDENTITY,) * (len(units) - 1)
    config = learn.Config(units, activation, epochs=1, **options)
    for vectors in (1, 2, 31, 32):
        with simulate() as sim, open_node(sim.port) as fresh:
            rows = np.zeros((vectors, units[0]), np.int16)
            samples = next(
                n for n in itertools.count(1) if arena_bytes(config, n, vectors, **ways) > ARENA_BYTES
            )
            x, y = np.zeros((samples, units[0])), np.zeros((samples, units[-1]))
            model: Any = SimpleNamespace(name="", vector_inputs=rows, led_output=0, led_class=False)
            weights = np.ones(samples) if ways["weighted"] else None
            asked = Wish(config, x, y, [], [], model, 0.0, weights=weights, scales=scales)
            with pytest.raises(Refused) as caught:
                start(fresh, asked)
            assert caught.value.reason is Reason.TRAIN_ROOM
            fewer = None if weights is None else weights[1:]
            start(fresh, replace(asked, x=x[1:], y=y[1:], weights=fewer))
            stop_on_board(fresh)
            with pytest.raises(
                NeuronError, match=r"takes \d+ bytes, a node has room for 61440: use fewer rows"
            ):
                train_on_board(fresh, asked)


@pytest.mark.parametrize("scale", [(0.0, 0.0), (math.nan, 1.0), (0.0, math.nan), (math.inf, 1.0)])
def test_scales_that_make_no_model_are_refused(node: Node, scale: tuple[float, float]) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    with pytest.raises(NodeError, match="could not make a model of what it learnt"):
        train_on_board(node, replace(asked, scales=[scale, (0.0, 1.0), (0.0, 1.0)]))
    assert read_standing(node).state is Training.REFUSED


def start(node: Node, asked: Wish) -> None:
    """Begin a training of whatever stands in the arena."""
    node.write_values(**order(asked))
    node.command(Command.TRAIN, "train")


def test_a_plan_that_no_node_has_room_for_is_refused_before_it_is_trained() -> None:
    rng = np.random.default_rng(1)
    plan = make_plan(Options("mlp", algorithm="sgd"))
    check_room(plan)
    for count in range(256, 500):
        data = replace(plan.data, x=rng.normal(size=(count, 10)), y=rng.normal(size=(count, 10)))
        larger = replace(plan, data=data, samples=Samples({"training": data}))
        needed = arena_bytes(plan.config, count, VECTORS_MAX)
        if needed > ARENA_BYTES:
            with pytest.raises(NeuronError, match=f"takes {needed} bytes, .* or --dtype float32"):
                check_room(larger)
            break
        check_room(larger)
    assert 300 < count < 400


def test_256_samples_of_10_features_fit_in_either_type(node: Node) -> None:
    x, y = samples((10, 1), 256)
    for dtype in (np.float32, np.float64):
        config = learn.Config((10, 1), (IDENTITY,), batch=1, epochs=4, rate=0.01, dtype=dtype)
        assert train_on_board(node, wish(config, x, y, [0.0] * config.count)).compared == 4


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("options", [{"batch": 1}, {}, {"adam": True}], ids=str)
def test_a_training_that_diverges_says_so_with_our_bits(
    node: Node, options: dict[str, Any], dtype: type
) -> None:
    asked = diverging(options, dtype)
    *_, (chain, loss, parameters) = chains(asked)
    epochs = len(list(chains(asked)))
    assert 0 < epochs < asked.config.epochs
    with np.errstate(all="ignore"), pytest.raises(NodeError) as caught:
        train_on_board(node, asked)
    assert str(caught.value) == f"the training on the board diverged in epoch {epochs}: try a smaller --lr"
    board = read_standing(node)
    assert (board.state, board.epoch, board.chain) == (Training.DIVERGED, epochs, chain)
    assert struct.pack("<d", board.loss) == struct.pack("<d", loss)
    there = node.read_bytes("ARENA", len(parameters) * np.dtype(dtype).itemsize, board.parameters)
    assert there == np.array(parameters).astype(dtype).tobytes()
    assert np.isnan(parameters).any()


def diverging(options: dict[str, Any], dtype: type) -> Wish:
    """Numbers so large that an epoch leaves NaN."""
    config = learn.Config((2, 2, 1), (IDENTITY, IDENTITY), epochs=50, rate=1.0, dtype=dtype, **options)
    x, y = samples(config.units, 5)
    start = np.random.default_rng(3).normal(size=config.count)
    asked = wish(replace(config, epochs=1, rate=1e-3), x, y, start.tolist())
    size = float(np.finfo(dtype).max) ** 0.9
    return replace(asked, config=config, x=asked.x * size, start=(start * size).tolist())


def test_a_board_that_diverges_where_we_do_not_is_told_apart() -> None:
    asked = wish(replace(AND, epochs=2), AND_X, AND_Y, AND_START)
    lying = Standing(Training.DIVERGED, 1, math.nan, 0, 0)
    with pytest.raises(NodeError, match="firmware of the same version"):
        Companion(asked).compare(lying)
    Companion(diverging({}, np.float64)).compare(
        replace(lying, epoch=len(list(chains(diverging({}, np.float64)))))
    )


def test_a_training_that_another_master_pauses_ends(node: Node) -> None:
    seen: list[int] = []

    def pause(step: str, done: int, total: int) -> None:
        if step == "train on the board" and not seen:
            seen.append(read_standing(node).epoch + 50_000)
            node.write(BY_NAME["TRAIN_PAUSE"].address, pack(BY_NAME["TRAIN_PAUSE"], seen[0]))
            node.command(Command.RESUME, "go on")

    endless = replace(wish(AND, AND_X, AND_Y, AND_START), config=replace(AND, epochs=10**9))
    with pytest.raises(NodeError, match=r"paused after \d+ epochs?: does another master"):
        train_on_board(node, endless, pause)
    assert read_standing(node).state is Training.STOPPED


def stood(epoch: int, state: Training = Training.RUNNING) -> Standing:
    return Standing(state, epoch, 0.0, 0, 0)


def test_a_training_that_stands_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    asked = wish(AND, AND_X, AND_Y, AND_START)
    watch = Watch(asked)
    for epoch in (0, 0, 1, 1, 2):
        now += 25
        watch.look(stood(epoch))
    now += 60.5
    with pytest.raises(NodeError, match="has not left epoch 2 for 60 s: stopped"):
        watch.look(stood(2))
    watch.look(stood(2, Training.DONE))

    watch = Watch(replace(asked, x=np.zeros((10_000, 2))))
    now += 62
    watch.look(stood(0))
    now += 2
    with pytest.raises(NodeError, match="has not left epoch 0 for 63 s: stopped"):
        watch.look(stood(0))


def test_epochs_that_no_training_has_are_told() -> None:
    watch = Watch(wish(AND, AND_X, AND_Y, AND_START))
    watch.look(stood(7))
    with pytest.raises(NodeError, match="went back from epoch 7 to 6: has another master begun one"):
        watch.look(stood(6))
    with pytest.raises(NeuronError, match="the node says TRAIN_EPOCH is 21"):
        watch.look(stood(21))


def test_a_node_that_only_says_it_trains_is_left(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its epoch stands still while it says RUNNING; it is told to stop."""
    monkeypatch.setattr(onboard, "STILL_SECONDS", 0.2)
    monkeypatch.setattr(onboard, "read_standing", lambda node: stood(0))
    commands: list[Command] = []
    command = node.command
    monkeypatch.setattr(node, "command", lambda code, doing: [commands.append(code), command(code, doing)])
    with pytest.raises(NodeError, match=r"has not left epoch 0 for 0\.2 s"):
        train_on_board(node, wish(AND, AND_X, AND_Y, AND_START))
    assert commands == [Command.TRAIN, Command.STOP]


def test_a_training_can_pause_at_an_epoch_and_go_on(node: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    train_on_board(node, asked)
    pause = BY_NAME["TRAIN_PAUSE"].address
    node.write(pause, [0, 3])
    node.command(Command.TRAIN, "train")
    assert ended(node).epoch == 3
    assert read_standing(node).state is Training.PAUSED
    node.command(Command.TRAIN, "train")  # a repeat finds it under way
    node.command(Command.RESUME, "go on")  # nothing to do: it has reached its epoch
    assert read_standing(node).epoch == 3
    node.write(pause, [0, 0])
    node.command(Command.RESUME, "go on")
    last = ended(node)
    assert (last.state, last.epoch) == (Training.DONE, 20)
    assert last.chain == [chain for chain, _, _ in chains(asked)][-1]


def ended(node: Node) -> Any:
    """The progress once the board no longer runs."""
    while (board := read_standing(node)).state is Training.RUNNING:
        time.sleep(0.005)
    return board

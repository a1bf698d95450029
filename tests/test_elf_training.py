"""The board's own firmware trains: the articles' figures and our bits come out of the STM32 image itself.

A subset of tests/test_onboard.py, on the strict model of the chip, through a pty and the ordinary host.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host.boards.opening import open_node
from host.compiler import ROOT
from host.core import learn
from host.core.image import encode, image_crc
from host.core.wire import Activation, Loss
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.node import Node
from host.node.staging import commit_staged
from host.training.onboard import chains, read_standing, train_on_board
from tests.patience import ANSWER, PATIENCE
from tests.test_onboard import AND, AND_START, AND_X, AND_Y, SCALED, diverging, far_from_0, samples, wish
from tools.firmware import build_firmware, lacking

pytestmark = pytest.mark.skipif(lacking() is not None, reason=lacking() or "")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    link = tmp_path_factory.mktemp("elf") / "board"
    command = [sys.executable, "-m", "tests.elf", str(build_firmware()), "--link", str(link)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with opened(link, process) as node:
            yield node
    finally:
        process.terminate()
        process.wait()


def opened(link: Path, process: subprocess.Popen[bytes]):
    """The board behind the pty, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while not link.is_symlink():
        assert process.poll() is None, "the model of the chip has ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return open_node(str(link), timeout=ANSWER)


def test_the_article_s_and_is_trained_by_the_firmware_itself(board: Node) -> None:
    asked = wish(AND, AND_X, AND_Y, AND_START)
    learnt = train_on_board(board, asked)
    assert learnt.parameters == [0.4514297388906616, 0.2369025056182418, -0.611635769357402]
    assert commit_staged(board, encode(asked.model)).crc == learnt.crc
    result = board.evaluate_float(AND_X, 1)
    assert result.outputs.ravel().tolist() == [0, 0, 0, 1]
    assert result.led.tolist() == [False, False, False, True]


CASES = {
    "wx, batch, float64": ((1, 1), (Activation.IDENTITY,), False, Loss.MEAN, {"batch": 0}, np.float64),
    "wxb, sgd, float32": ((3, 1), (Activation.IDENTITY,), True, Loss.HALF, {"batch": 1}, np.float32),
    "logistic, adam, float64": (
        (2, 1),
        (Activation.SIGMOID,),
        True,
        Loss.CROSS,
        {"batch": 0, "adam": True},
        np.float64,
    ),
    "mlp, shuffled minibatch, float32": (
        (2, 4, 1),
        (Activation.RELU, Activation.IDENTITY),
        True,
        Loss.SUM,
        {"batch": 2, "shuffle": True, "seed": 1},
        np.float32,
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("options", [{"batch": 1, "shuffle": True}, {"adam": True}], ids=str)
def test_classes_with_l2_and_weights_of_raw_units(board: Node, options: dict, dtype: type) -> None:
    config = learn.Config(
        (2, 4, 3),
        (Activation.TANH, Activation.IDENTITY),
        loss=Loss.SOFTMAX,
        rate=0.01,
        l2=0.02,
        epochs=60,
        dtype=dtype,
        **options,
    )
    x, _ = samples(config.units, 7)
    scales = [(300.0, 1e-3), (-7.0, 1e4), *[(0.0, 1.0)] * 3]
    raw = x * [1e-3, 1e4] + [300.0, -7.0]
    start = np.random.default_rng(3).normal(size=config.count) * 0.5
    more = {"weights": np.linspace(0, 3, 7), "scales": scales}
    asked = wish(config, raw, np.eye(3)[[0, 1, 2, 0, 1, 2, 0]], start.tolist(), **more)
    assert train_on_board(board, asked).compared == config.epochs


@pytest.mark.parametrize("case", CASES)
def test_the_firmware_has_our_bits_after_every_epoch(board: Node, case: str) -> None:
    units, activation, bias, loss, options, dtype = CASES[case]
    steps = {0: 1, 1: 5, 2: 3}[options["batch"]]
    config = learn.Config(
        units, activation, bias=bias, loss=loss, rate=0.01, dtype=dtype, epochs=-(-1000 // steps), **options
    )
    x, y = samples(units, 5)
    start = np.random.default_rng(3).normal(size=config.count) * 0.5
    assert train_on_board(board, wish(config, x, y, start.tolist())).compared == config.epochs


def test_a_training_that_diverges_leaves_the_bits_that_ours_does(board: Node) -> None:
    for options, dtype in (({"batch": 1}, np.float64), ({"adam": True}, np.float32)):
        asked = diverging(options, dtype)
        rows = list(chains(asked))
        chain, loss, parameters = rows[-1]
        with pytest.raises(NodeError, match=f"diverged in epoch {len(rows)}: try a smaller --lr"):
            train_on_board(board, asked)
        there = read_standing(board)
        assert (there.epoch, there.chain) == (len(rows), chain)
        assert struct.pack("<d", there.loss) == struct.pack("<d", loss)
        size = len(parameters) * np.dtype(dtype).itemsize
        assert (
            board.read_bytes("ARENA", size, there.parameters) == np.array(parameters).astype(dtype).tobytes()
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("options", [{"batch": 1}, {"adam": True}], ids=str)
def test_subnormal_numbers_are_the_same_bits(board: Node, options: dict, dtype: type) -> None:
    """Soft float64, the FPU, and the conversions between them, at the small end of both types."""
    tiny = float(np.finfo(dtype).smallest_normal)
    config = learn.Config(
        (3, 4, 2), (Activation.RELU, Activation.IDENTITY), epochs=12, rate=0.1, dtype=dtype, **options
    )
    x, y = samples(config.units, 5)
    start = np.random.default_rng(3).normal(size=config.count) * tiny
    for size, rate in ((1, 0.1), (tiny**0.5, 0.1), (1, 3 * tiny)):
        asked = wish(replace(config, rate=rate), x * size, y * tiny, start.tolist())
        assert train_on_board(board, asked).compared == config.epochs


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_weights_of_every_size_become_our_image(board: Node, dtype: type) -> None:
    """What a rate of 0 leaves as it is: near the ends of the integers, subnormal, or huge."""
    smallest = float(np.finfo(dtype).smallest_subnormal)
    edges = [32767, 32767.5, 32768, 32768.5, 2147483647, 2147483647.5, 1, 0.5, 2e9, 1e-41, smallest]
    rng = np.random.default_rng(11)
    made = 0
    for activation in Activation:
        config = learn.Config((3, 2), (activation,), batch=1, rate=0.0, dtype=dtype)
        scales = 2.0 ** rng.choice([-60, -16, 0], config.count)
        start = rng.choice(edges, config.count) * scales * rng.choice([1, -1], config.count)
        x = np.array([[1, 1e-41, 32767.0]]) / 2
        try:
            asked = wish(config, x, np.zeros((1, 2)), start.astype(dtype).astype(float).tolist())
        except NeuronError:  # beyond what a node holds
            continue
        train_on_board(board, asked)
        made += 1
    assert made >= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("scaled", SCALED)
def test_offsets_and_scales_of_each_output_are_ours(board: Node, scaled: str, dtype: type) -> None:
    asked = far_from_0(dtype, SCALED[scaled])
    assert train_on_board(board, asked).crc == image_crc(encode(asked.model))

"""The limits that tools/bench.py's figures have to keep. They are counts, so they are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.core.image import encode
from host.core.wire import BAUD_MAX, Activation
from tests.elf.firmware import firmware_elf
from tests.elf.inference import Inference
from tools import bench
from tools.firmware import flash_size, ram_size

KIB = 1024


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.mark.parametrize(
    ("weights", "bias", "activation", "limit"),
    [
        ([0.5], 0.0, Activation.IDENTITY, 80),
        ([1.0, 1.0], -1.5, Activation.STEP, 65),
        ([1.0, 1.0], -1.5, Activation.SIGMOID, 120),
    ],
    ids=["wx", "and", "logistic"],
)
def test_a_neuron(elf: Path, weights: list[float], bias: float, activation: Activation, limit: int) -> None:
    model = bench.small_model("neuron", weights, bias, activation)
    assert bench.infer_instructions(elf, model) <= limit


def test_a_network_of_140_weights(elf: Path) -> None:
    model, error = bench.network()
    assert bench.infer_instructions(elf, model) <= 540
    assert error < 0.001


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("24-16-4", 1_140),
        ("32-24-8", 1_950),
        ("64-48-10", 5_850),
        ("64-16-16-16-8-16-16-64", 6_250),
        ("10-7-10 narrow", 540),
        ("10-7-10 wide", 755),
    ],
)
def test_networks_of_narrow_and_wide_layers(elf: Path, name: str, limit: int) -> None:
    assert bench.infer_instructions(elf, bench.he_network(name)) <= limit


@pytest.mark.parametrize(("name", "a_mac"), [("64-48-10", 3.5), ("64-16-16-16-8-16-16-64", 4.05)])
def test_cycles_of_a_mac(elf: Path, name: str, a_mac: float) -> None:
    model = bench.he_network(name)
    macs = sum(layer.inputs * layer.outputs for layer in model.layers)
    in_ram, in_flash = bench.infer_cycles(elf, model)
    assert in_flash <= a_mac * macs
    assert 0.6 * macs <= in_flash - in_ram <= 0.75 * macs  # five wait states for 8 weights, and the biases


def test_the_small_networks_are_what_their_names_say(elf: Path) -> None:
    for name, narrow in (("narrow", True), ("wide", False)):
        opened = Inference(bench.started(elf), encode(bench.he_network(f"10-7-10 {name}")))
        assert [opened.narrow(layer) for layer in (0, 1)] == [narrow, narrow]


@pytest.mark.parametrize(("adam", "limit"), [(False, 3_400), (True, 7_050)])
def test_a_step_of_training(elf: Path, adam: bool, limit: int) -> None:
    step = bench.training(elf, adam=adam)
    assert step.instructions <= limit
    assert step.ends_epoch <= limit + 700
    assert step.ram <= 3 * KIB


def test_crc_and_frame(elf: Path) -> None:
    assert bench.crc_instructions(elf) <= 33_000
    instructions, late_us = bench.frame_instructions(elf)
    assert instructions <= 3_600
    assert late_us < 25


@pytest.mark.parametrize(("floats", "limit"), [(False, 2_050), (True, 3_350)], ids=["int16", "float32"])
def test_a_request(elf: Path, floats: bool, limit: int) -> None:
    """Ten inputs written and ten outputs read in one request, the inference among them."""
    assert bench.request_instructions(elf, floats=floats) <= limit


def test_size(elf: Path) -> None:
    functions = bench.runtime_functions(elf)
    assert {"infer", "infer_led", "fixed_tanh", "fixed_rescale"} <= functions.keys()
    clips = functions.pop("fixed_clips")  # beside the inference: tells of inputs that were cut
    assert sum(functions.values()) <= 1.5 * KIB
    assert clips <= 64
    for name in ("narrow", "wide"):
        assert bench.infer_stack(elf, bench.he_network(f"10-7-10 {name}")) <= 400
    assert flash_size(elf) < 48 * KIB
    assert ram_size(elf) < 32 * KIB


@pytest.mark.parametrize(
    ("baud", "verified", "committed"), [(bench.DEPLOY_BAUD, 0.9, 0.85), (BAUD_MAX, 0.85, 0.6)]
)
def test_deploy(elf: Path, baud: int, verified: float, committed: float) -> None:
    """A word takes the flash 16 us whatever the wire's speed: 17 ms for 4 KiB, a third of the wire's at 1 Mbit/s."""
    result = bench.deploy(elf, baud)
    assert result.raw_us / result.verified_us >= verified
    assert result.raw_us / result.committed_us >= committed


def test_the_command(elf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([]) == 0
    printed = capsys.readouterr().out
    for word in ("10-7-10 ReLU", "CRC-32 of 8 KiB", "NNoM q7 *", "1,000,000 baud", "import to exit"):
        assert word in printed

"""A node is a stranger: whatever it says, in whichever register, a command ends with a result or with one line about
the node, in bounded time; no traceback, nothing that steers a terminal, and no file that was not checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from host import deploy, predict, settings, train
from host.core.image import encode
from host.core.wire import ADDRESS_MAX, BY_NAME, REGISTERS, Reason, State, Table
from tests.e2e.liar import Place, all_words, honest, liar, rows_of, sound
from tests.e2e.scenario import AND, NAND, OR
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode
from tests.patience import PATIENCE

ESCAPE = 0x1B5B
"""The bytes that begin an order to a terminal."""
WORDS = [0, ESCAPE, 0xFFFF]
SOME_WORDS = [1, 3, 65, 0x7FFF, 0x8000]
"""One of them for each register and command, another one for the next command."""

FAST = ("--baud", "115200")
COMMANDS: dict[str, Callable[[str, str, str], tuple[Callable[[list[str]], int], list[str]]]] = {
    "ask": lambda port, image, file: (deploy.main, [port]),
    "ask json": lambda port, image, file: (deploy.main, [port, "--json"]),
    "describe": lambda port, image, file: (deploy.main, [port, "--describe", "--json"]),
    "fetch": lambda port, image, file: (deploy.main, [port, "--fetch", file, "--json"]),
    "rollback": lambda port, image, file: (deploy.main, [port, "--rollback", "--json"]),
    "deploy": lambda port, image, file: (deploy.main, [port, image]),
    "predict": lambda port, image, file: (predict.main, [port, "1", "1", "--json"]),
    "settings": lambda port, image, file: (settings.main, [port]),
    "watchdog": lambda port, image, file: (
        settings.main,
        [port, "--watchdog", "5", "--safe", "off", "--json"],
    ),
    "new settings": lambda port, image, file: (settings.main, [port, "--new-gap", "true", "--json"]),
    "train": lambda port, image, file: (train.main, ["--model", "and", "--deploy", port, "--json"]),
    "on board": lambda port, image, file: (
        train.main,
        ["--model", "and", "--deploy", port, "--on-board", "--json"],
    ),
}
Run = Callable[[str, dict[Place, int]], tuple[int, str, str, set[Place]]]


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryNode]:
    with MemoryNode() as node:
        yield node


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lies does so until nobody listens any more; the stand-in needs no silence to know a frame by."""
    monkeypatch.setattr("host.node.link.silence_seconds", lambda *line: 0.0)
    monkeypatch.setattr("host.node.client.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("host.training.onboard.STILL_SECONDS", 0.2)
    monkeypatch.setattr("host.training.onboard.POLL_SECONDS", 0.001)


@pytest.fixture
def run(memory: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(command, lies): a command against a node that tells these lies: its status, what it said, what it read."""
    image, file = tmp_path / "nand.img", tmp_path / "fetched.img"
    image.write_bytes(encode(NAND))

    def one(name: str, lies: dict[Place, int]) -> tuple[int, str, str, set[Place]]:
        memory.factory()
        for model in (OR, AND):
            memory.deploy(encode(model))
        file.write_bytes(b"before")
        asked: set[Place] = set()
        began = time.monotonic()
        with stand_in(liar(honest(memory), lies, asked)) as port:
            main, argv = COMMANDS[name](port, str(image), str(file))
            status = main([*argv, *FAST])
        assert time.monotonic() - began < PATIENCE
        out, err = capsys.readouterr()
        sound(status, out, err)
        if "--json" in argv:
            assert out == "" if status else json.loads(out)
        fetched = name == "fetch" and status == 0
        assert file.read_bytes() == (encode(AND) if fetched else b"before")
        return status, out, err, asked

    return one


@pytest.mark.parametrize("name", COMMANDS)
def test_every_register_that_a_command_reads_may_lie(run: Run, name: str) -> None:
    status, _, err, asked = run(name, {})
    assert (status, err) == (0, "")
    for row in rows_of(asked):
        more = SOME_WORDS[(REGISTERS.index(row) + list(COMMANDS).index(name)) % len(SOME_WORDS)]
        for word in (*WORDS, more):
            if (
                name in ("new settings", "watchdog")
                and row.name == "ADDRESS_IN_FORCE"
                and 1 < word <= ADDRESS_MAX
            ):
                continue  # told to keep that address, it moves there
            run(name, all_words(row, word))


@pytest.mark.parametrize("name", COMMANDS)
def test_all_registers_may_lie_at_once(run: Run, name: str) -> None:
    """But for the version, which would end it at once."""
    rng = np.random.default_rng(485)
    places = [
        (row.table, address)
        for row in REGISTERS
        for address in range(row.address, row.end)
        if row.name not in ("WIRE_VERSION", "IMAGE", "ARENA", "STAGE")
    ]
    for _ in range(10):
        some = [place for place in places if rng.random() < 0.05]
        run(name, {place: int(rng.integers(0x10000)) for place in some})


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("STATE", max(State) + 1),
        ("REASON", max(Reason) + 1),
        ("START_CAUSE", 5),
        ("MODEL_LENGTH", 0xFFFF),
        ("MODEL_LAYERS", 9),
        ("MODEL_INPUTS", 0),
        ("MODEL_INPUTS", 65),
        ("MODEL_OUTPUTS", 65),
        ("MODEL_VECTORS", 33),
        ("FAULTS", 1),
    ],
)
def test_what_no_node_can_say_is_said_of_the_node(run: Run, name: str, word: int) -> None:
    for command in ("ask", "fetch", "rollback", "predict", "deploy"):
        status, out, err, _ = run(command, all_words(BY_NAME[name], word))
        assert status == 2
        # A deploy reads at first only what it needs, and all of it to say what runs in the end.
        assert (out == "") is (command != "deploy" or name == "STATE")
        assert err.startswith(f"error: the node says {name} is ")
        assert err.endswith("it is not a neuron485 node of wire version 2, or its memory is broken\n")


@pytest.mark.parametrize(
    ("name", "word"),
    [("ADDRESS_IN_FORCE", 248), ("BAUD_IN_FORCE", 0), ("FORMAT_IN_FORCE", 99), ("GAP_IN_FORCE", 2)],
)
def test_settings_that_no_node_can_have(run: Run, name: str, word: int) -> None:
    for command in ("settings", "new settings"):
        status, out, err, _ = run(command, all_words(BY_NAME[name], word))
        assert (status, out) == (2, "")
        assert err.startswith(f"error: the node says {name} is {word}: ")


def test_a_name_does_not_steer_the_terminal(run: Run) -> None:
    _, out, _, _ = run("ask", all_words(BY_NAME["MODEL_NAME"], ESCAPE))
    assert out.startswith("node 1 runs ?[?[?[?[?[?[?[?[: 2 inputs, 1 layer, 1 output, ")
    lies = all_words(BY_NAME["MODEL_NAME"], 0x0A0D) | all_words(BY_NAME["FAULT_FILE"], 0xFF07)
    _, out, _, _ = run("ask json", lies)
    said = json.loads(out)
    assert (said["name"], said["broke"]) == ("?" * 16, f"{'?' * 16} at 0x00000000")


def test_faults_are_said(run: Run) -> None:
    faults = (Reason.ROTTEN_MODEL, Reason.CRYSTAL)
    row = BY_NAME["FAULTS"]
    bits = sum(1 << fault for fault in faults)
    lies = {(row.table, row.address): bits >> 16, (row.table, row.address + 1): bits & 0xFFFF}
    lies |= all_words(BY_NAME["REASON"], Reason.ROTTEN_MODEL) | all_words(BY_NAME["MISSED"], 3)
    _, out, err, _ = run("ask json", lies)
    said = json.loads(out)
    assert (said["fault"], said["faults"]) == (True, ["ROTTEN_MODEL", "CRYSTAL"])
    assert (said["reason"], said["missed"]) == ("ROTTEN_MODEL", 3)
    assert err == ""
    for command in ("ask", "deploy", "settings"):
        _, _, err, _ = run(command, lies)
        assert err.splitlines() == [
            "warning: a kept model is damaged in the flash: an older one runs, or none; deploy it again (ROTTEN_MODEL)",
            "warning: the crystal does not oscillate: the node runs from its internal oscillator (CRYSTAL)",
            "warning: the node missed 3 broadcasts since it started",
        ]
    _, out, _, _ = run("ask json", {})
    said = json.loads(out)
    assert (said["fault"], said["faults"], said["reason"], said["broke"]) == (False, [], "NONE", "")


def test_an_image_that_is_not_what_the_node_says_is_not_kept(run: Run) -> None:
    status, _, err, _ = run("fetch", {(Table.INPUT, BY_NAME["IMAGE"].address + 20): 0x1234})
    assert status == 2
    assert err.startswith(
        "error: the image that the node gives is no good: the image's CRC-32 does not match"
    )
    status, _, err, _ = run("fetch", all_words(BY_NAME["MODEL_CRC"], 0x1234))
    assert status == 2
    assert "but it says that it runs 12341234; nothing was written" in err


def test_a_training_that_does_not_get_on_ends(run: Run) -> None:
    status, _, err, _ = run("on board", all_words(BY_NAME["TRAIN_STATE"], 1))
    assert status == 2
    assert "has not left epoch 20 for 0.2 s: stopped" in err
    for name, word in (("TRAIN_STATE", 8), ("TRAIN_EPOCH", 0xFFFF), ("TRAIN_PARAMETERS", 0xFFFF)):
        status, _, err, _ = run("on board", all_words(BY_NAME[name], word))
        assert status == 2
        assert err.startswith(f"error: the node says {name} is ")

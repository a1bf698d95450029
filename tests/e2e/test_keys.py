"""A key's life as its owner lives it: made, installed by who is at the board, used by every command, replaced, and
removed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import deploy, keys, predict, settings, train
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.cli.key import VARIABLE
from host.compiler import ROOT
from host.core.hashes import hash_of
from host.core.image import encode
from host.core.wire import Reason
from host.errors import EXIT_FAILURE
from host.node.keyed import with_key
from host.node.keyfile import Signer, read_key
from host.node.node import Refused
from host.node.orders import give, signed
from host.node.staging import deploy as deploy_to
from host.node.trusted import read_trusted
from tests.e2e.scenario import AND, OR, crc_of, largest
from tests.patience import ANSWER, PATIENCE

PASSPHRASE = "correct horse"
PATIENT = ("--timeout", str(ANSWER))
UNSIGNED = "error: a key is installed: this needs a signed order, give the key's file by --key\n"
Main = Callable[[list[str]], int]


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert keys.main(["new", str(tmp_path / "site.key")]) == 0
    capsys.readouterr()
    return str(tmp_path / "site.key")


@pytest.fixture
def sim() -> Iterator[Sim]:
    with simulate(present=True) as sim:
        yield sim


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for name, model in (("and", AND), ("or", OR)):
        (tmp_path / f"{name}.img").write_bytes(encode(model))
    return {name: str(tmp_path / f"{name}.img") for name in ("and", "or")}


def said(capsys: pytest.CaptureFixture[str], main: Main, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json", *PATIENT]) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def refused(capsys: pytest.CaptureFixture[str], main: Main, *arguments: str) -> str:
    assert main([*arguments, *PATIENT]) == EXIT_FAILURE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    return err


def owner(key: str) -> Signer:
    return read_key(key).open(PASSPHRASE)


def typed(command: list[str], answers: list[str]) -> tuple[int, str]:
    """A command on a terminal of its own, where somebody types a line at each prompt: its exit status and all that was
    to be seen."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, preexec_fn=lambda: os.login_tty(theirs), pass_fds=[theirs]
    )
    os.close(theirs)
    seen, left = b"", list(answers)
    try:
        while True:
            try:
                part = os.read(ours, 1024)
            except OSError:  # the last who had the other end has gone
                break
            seen += part
            if not part:
                break
            if seen.endswith(b": ") and left:
                os.write(ours, left.pop(0).encode() + b"\n")
    finally:
        process.wait(PATIENCE)
        os.close(ours)
    return process.returncode, seen.decode()


def test_what_is_typed_is_not_seen(tmp_path: Path) -> None:
    path = str(tmp_path / "site.key")
    command = [sys.executable, "-m", "host.keys", "new", path]
    status, seen = typed(command, ["battery staple", "battery staple"])
    assert status == 0, seen
    assert f"Passphrase of {path}: " in seen
    assert "The same again: " in seen
    assert "battery" not in seen
    read_key(path).open("battery staple")


def test_a_day_with_a_key(
    sim: Sim, key: str, tmp_path: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    port, signing = sim.port, ("--key", key)
    deploy.main([port, files["and"], *PATIENT])
    capsys.readouterr()
    installed = said(capsys, keys.main, "install", port, *signing)
    assert (installed["keyed"], installed["key"]) == (True, read_key(key).public.hex())
    assert installed["model_hash"] == hash_of(encode(AND)).hex()

    # Who has no key reads, and gives it inputs.
    for main, arguments in (
        (deploy.main, [port, files["or"]]),
        (deploy.main, [port, files["or"], "--trial", "60"]),
        (deploy.main, [port, "--rollback"]),
        (settings.main, [port, "--debounce", "7"]),
        (train.main, ["--model", "and", "--deploy", port, "--json"]),
    ):
        assert refused(capsys, main, *arguments) == UNSIGNED
    assert said(capsys, predict.main, port, "1", "1")["led"] is True
    assert said(capsys, deploy.main, port)["crc32"] == crc_of(AND)

    # Who has it does all.
    assert said(capsys, deploy.main, port, files["or"], *signing)["hash"] == hash_of(encode(OR)).hex()
    assert said(capsys, deploy.main, port, "--rollback", *signing)["crc32"] == crc_of(AND)
    tried = said(capsys, deploy.main, port, files["or"], "--trial", "600", *signing)
    assert (tried["crc32"], tried["trust"]["trial_left"] > 0) == (crc_of(OR), True)
    assert said(capsys, deploy.main, port, "--revert", *signing)["crc32"] == crc_of(AND)
    said(capsys, deploy.main, port, files["or"], "--trial", "600", *signing)
    kept = said(capsys, deploy.main, port, "--confirm", *signing)
    assert (kept["crc32"], kept["trust"]["trial_left"]) == (crc_of(OR), 0)
    assert said(capsys, settings.main, port, "--debounce", "7", *signing)["debounce"] == 7
    assert said(capsys, settings.main, port, "--new-address", "9", *signing)["address"] == 9
    there = ("--address", "9")
    trained = said(capsys, train.main, "--model", "and", "--deploy", port, "--on-board", *signing, *there)
    assert [row["led"] for row in trained["deployed"]["rows"]] == [False, False, False, True]

    # Another key, which guards the inputs too.
    new = str(tmp_path / "new.key")
    assert keys.main(["new", new]) == 0
    capsys.readouterr()
    rotated = said(capsys, keys.main, "rotate", port, *signing, "--to", new, "--guard-inputs", *there)
    assert (rotated["key"], rotated["guarded"]) == (read_key(new).public.hex(), True)
    assert "wrong file" in refused(capsys, deploy.main, port, "--rollback", *signing, *there)
    assert refused(capsys, predict.main, port, "1", "1", *there) == UNSIGNED
    assert refused(capsys, deploy.main, port, "--override", "on", *there) == UNSIGNED
    signing = ("--key", new)
    for a, b in ((0, 0), (1, 1)):
        assert said(capsys, predict.main, port, str(a), str(b), *signing, *there)["led"] is bool(a and b)
    assert said(capsys, deploy.main, port, "--override", "on", *signing, *there)["held_by"] == ["OVERRIDE"]
    assert said(capsys, deploy.main, port, "--override", "off", *signing, *there)["held_by"] == []
    assert said(capsys, deploy.main, port, files["or"], *signing, *there)["crc32"] == crc_of(OR)

    # None any more.
    assert said(capsys, keys.main, "remove", port, *signing, *there)["keyed"] is False
    assert said(capsys, deploy.main, port, files["and"], *there)["crc32"] == crc_of(AND)


def test_a_key_and_its_counter_outlive_a_loss_of_power(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash = str(tmp_path / "flash")
    with simulate(present=True, flash=flash) as sim:
        before = said(capsys, keys.main, "install", sim.port, "--key", key)
        with open_node(sim.port, timeout=ANSWER) as node:
            deploy_to(with_key(node, owner(key)), encode(AND))
            last = read_trusted(node).counter
    assert last > before["counter"]
    with simulate(flash=flash) as sim:
        after = said(capsys, keys.main, "status", sim.port)
        assert (after["keyed"], after["key"], after["present"]) == (True, before["key"], False)
        assert after["counter"] >= last
        other = str(tmp_path / "other.key")
        keys.main(["new", other])
        capsys.readouterr()
        assert "a key is installed already" in refused(capsys, keys.main, "install", sim.port, "--key", other)
        assert said(capsys, deploy.main, sim.port, "--key", key)["crc32"] == crc_of(AND)


@pytest.mark.parametrize("with_a_key", [False, True])
def test_a_node_starts_again(
    sim: Sim, key: str, with_a_key: bool, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    signing: tuple[str, ...] = ()
    if with_a_key:
        said(capsys, keys.main, "install", sim.port, "--key", key)
        assert refused(capsys, settings.main, sim.port, "--restart") == UNSIGNED
        signing = ("--key", key)
    said(capsys, deploy.main, sim.port, files["and"], "--trial", "600", *signing)
    said(capsys, settings.main, sim.port, "--restart", *signing)
    after = said(capsys, deploy.main, sim.port)
    assert after["sequence"] == 0, "a reset leaves nothing of a trial"
    assert after["trust"]["keyed"] is with_a_key


def test_nobody_at_the_board(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with simulate() as sim:
        assert "hold the pin PD2 to ground" in refused(capsys, keys.main, "install", sim.port, "--key", key)
        assert said(capsys, keys.main, "status", sim.port)["keyed"] is False


def installed_node(sim: Sim, key: str) -> None:
    assert keys.main(["install", sim.port, "--key", key, *PATIENT]) == 0


def test_an_order_is_obeyed_once(sim: Sim, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    from host.core.wire import Command

    installed_node(sim, key)
    with open_node(sim.port, timeout=ANSWER) as node:
        keyed_node = with_key(node, owner(key))
        deploy_to(keyed_node, encode(AND))
        deploy_to(keyed_node, encode(OR))
        trusted, uid = read_trusted(node), node.read_value("UID")
        image = trusted.previous_hash
        order = signed(owner(key), Command.ROLLBACK, uid, trusted.counter + 1, image_hash=image)
        for _ in range(3):  # as where its answers were lost
            give(node, order, "roll back")
        assert node.wait_idle().model_crc == crc_of(AND)
        give(node, signed(owner(key), Command.COILS, uid, trusted.counter + 2, COIL), "write a coil")
        with pytest.raises(Refused) as refusal:
            give(node, order, "roll back")
        assert refusal.value.reason is Reason.COUNTER
        assert node.wait_idle().model_crc == crc_of(AND)


def test_who_has_another_key_is_refused_by_the_node(sim: Sim, key: str, tmp_path: Path) -> None:
    from host.core.wire import Command

    installed_node(sim, key)
    keys.main(["new", str(tmp_path / "other.key")])
    with open_node(sim.port, timeout=ANSWER) as node:
        trusted, uid = read_trusted(node), node.read_value("UID")
        order = signed(owner(str(tmp_path / "other.key")), Command.RESTART, uid, trusted.counter + 1)
        with pytest.raises(Refused, match="signature is not that of the installed key"):
            give(node, order, "restart")
        assert read_trusted(node).counter == trusted.counter


def test_wide_inputs_go_as_orders(sim: Sim, key: str) -> None:
    assert keys.main(["install", sim.port, "--key", key, "--guard-inputs", *PATIENT]) == 0
    with open_node(sim.port, timeout=ANSWER) as plain:
        node = with_key(plain, owner(key))
        model = largest()
        deploy_to(node, encode(model), x=np.zeros((1, model.inputs)))
        assert node.wait_idle().model_crc == crc_of(model)


def test_floors_never_go_down_and_refuse_what_is_older(
    sim: Sim, key: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    installed_node(sim, key)
    capsys.readouterr()
    floor = ("floor", sim.port, "--key", key, "--firmware", "0.1", "--release")
    assert said(capsys, keys.main, *floor, "3")["release_floor"] == 3
    assert "floors never go down" in refused(capsys, keys.main, *floor, "2")
    assert "below the floor" in refused(capsys, deploy.main, sim.port, files["and"], "--key", key, "--json")
    assert said(capsys, deploy.main, sim.port)["sequence"] == 0


COIL = bytes([2, 0, 1, 0, 0, 0])
"""Arguments of COILS: IDENTIFY off."""

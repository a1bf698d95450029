"""host.keys as a person types it, and --key, its passphrase and --uid of the other commands."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import deploy, keys, predict, settings
from host.cli import key as cli_key
from host.core.image import encode
from host.errors import EXIT_FAILURE
from host.node import keyfile
from host.node.keyfile import read_key
from tests.e2e.scenario import AND
from tests.e2e.stand_in import stand_in
from tests.obeying_node import UID, ObeyingNode
from tests.patience import ANSWER

PASSPHRASE = "correct horse"
PATIENT = ("--timeout", str(ANSWER))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at the terminal, nothing in the environment; and Argon2i is quick."""
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)
    monkeypatch.delenv(cli_key.VARIABLE, raising=False)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The passphrase stands in the environment."""
    monkeypatch.setenv(cli_key.VARIABLE, PASSPHRASE)


Made = Callable[[str], str]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a key's file by its name."""

    def make(name: str) -> str:
        keyfile.new_key(str(tmp_path / name), lambda: PASSPHRASE)
        return str(tmp_path / name)

    return make


@pytest.fixture
def key(made: Made) -> str:
    return made("a.key")


@pytest.fixture
def node(key: str) -> ObeyingNode:
    """One that obeys the key."""
    return ObeyingNode(key=read_key(key).public, counter=1000)


@pytest.fixture
def port(node: ObeyingNode) -> Iterator[str]:
    with stand_in(node.answer) as port:
        yield port


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that has failed says."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("error: ")
    return err


# ------------------------------------------------------------------------------------------------------- new


def test_a_new_key_asks_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, asked = str(tmp_path / "site.key"), []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PASSPHRASE

    monkeypatch.setattr(cli_key, "ask", ask)
    monkeypatch.setattr(cli_key, "_somebody_is_there", lambda: True)
    assert keys.main(["new", path]) == 0
    assert asked == [f"Passphrase of {path}: ", "The same again: "]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    public = read_key(path).open(PASSPHRASE).public
    assert capsys.readouterr().out.startswith(f"{path}: a new key, its public half is {public.hex()}\n")


def test_two_passphrases_make_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["one", "other"])
    monkeypatch.setattr(cli_key, "ask", lambda prompt: next(typed))
    monkeypatch.setattr(cli_key, "_somebody_is_there", lambda: True)
    assert keys.main(["new", str(tmp_path / "site.key")]) == EXIT_FAILURE
    assert "these are two passphrases" in one_line(capsys)
    assert os.listdir(tmp_path) == []


def test_nobody_is_there_to_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.main(["new", str(tmp_path / "site.key")]) == EXIT_FAILURE
    assert "give --passphrase-file FILE, or set NEURON485_PASSPHRASE" in one_line(capsys)
    assert os.listdir(tmp_path) == []


def test_an_empty_passphrase_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cli_key.VARIABLE, "")
    assert keys.main(["new", str(tmp_path / "site.key")]) == EXIT_FAILURE
    assert "an empty passphrase keeps nobody out" in one_line(capsys)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", [PASSPHRASE, PASSPHRASE + "\n", PASSPHRASE + "\r\nsecond line\n"])
def test_a_passphrase_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    file, path = tmp_path / "passphrase", str(tmp_path / "site.key")
    file.write_bytes(text.encode())
    file.chmod(0o600)
    assert keys.main(["new", path, "--passphrase-file", str(file)]) == 0
    assert capsys.readouterr().err == ""
    read_key(path).open(PASSPHRASE)


def test_a_passphrase_file_that_others_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, path = tmp_path / "passphrase", str(tmp_path / "site.key")
    file.write_text(PASSPHRASE)
    file.chmod(0o644)
    assert keys.main(["new", path, "--passphrase-file", str(file)]) == 0
    assert capsys.readouterr().err == (
        f"warning: {file}, a passphrase, can be read or changed by others: chmod 600 {file}\n"
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_passphrase_file_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    arguments = ["new", str(tmp_path / "site.key"), "--passphrase-file", str(file)]
    assert keys.main(arguments) == EXIT_FAILURE
    assert str(file) in one_line(capsys)
    assert not (tmp_path / "site.key").exists()


def test_a_passphrase_never_stands_on_the_command_line(
    key: str, port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys.main(["remove", port, "--key", key, "--passphrase", PASSPHRASE]) == EXIT_FAILURE
    assert "unrecognized arguments" in one_line(capsys)
    assert node.asked == 0


# ------------------------------------------------------------------------------------------------- of a node


@pytest.mark.usefixtures("given")
def test_a_first_key(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    node, before = ObeyingNode(present=True), int(time.time())
    with stand_in(node.answer) as port:
        assert keys.main(["install", port, "--key", key, *PATIENT]) == 0
    public = read_key(key).public
    assert node.key == public
    assert before <= node.counter <= time.time()
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"node 1, uid {UID.hex()}\n  KEYED: it obeys orders signed by {public.hex()}\n")


@pytest.mark.usefixtures("given")
def test_a_first_key_without_anybody_at_the_board(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    node = ObeyingNode()
    with stand_in(node.answer) as port:
        assert keys.main(["install", port, "--key", key, *PATIENT]) == EXIT_FAILURE
    assert "hold the pin PD2 to ground, on the board, while it is switched on" in one_line(capsys)
    assert node.key == b""


@pytest.mark.usefixtures("given")
def test_another_key_then_none(
    key: str, made: Made, port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]
) -> None:
    new = made("new.key")
    assert keys.main(["rotate", port, "--key", key, "--to", new, "--guard-inputs", "--json", *PATIENT]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["keyed"], said["key"], said["guarded"]) == (True, read_key(new).public.hex(), True)
    assert (said["uid"], said["address"], said["counter"]) == (UID.hex(), 1, 1001)
    assert keys.main(["remove", port, "--key", key, *PATIENT]) == EXIT_FAILURE
    assert f"of {key}: the wrong file" in one_line(capsys)
    assert keys.main(["remove", port, "--key", new, *PATIENT]) == 0
    assert node.key == b""
    assert "no key is installed: whoever reaches the bus may change it" in capsys.readouterr().out


@pytest.mark.usefixtures("given")
def test_floors(key: str, port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["floor", port, "--key", key, "--release", "3", "--firmware", "1.2", *PATIENT]
    assert keys.main(arguments) == 0
    assert node.floors == (3, 0x0102)
    assert "  floors: release 3 of models, firmware 1.2\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["1", "1.256", "256.1", "1.2.3", "-1.2", "x"])
def test_what_is_no_version(key: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["floor", "nowhere", "--key", key, "--release", "0", f"--firmware={text}"]
    assert keys.main(arguments) == EXIT_FAILURE
    assert "is no version like 1.2" in one_line(capsys)


def test_status_needs_no_key(port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]) -> None:
    node.counter = int(time.time()) + 3 * 86400 + 3600
    assert keys.main(["status", port, *PATIENT]) == 0
    assert f"  counter of orders: {node.counter}, 3 days ahead of this computer's clock\n" in (
        capsys.readouterr().out
    )
    assert keys.main(["status", port, "--json", *PATIENT]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == node.key.hex()


@pytest.mark.usefixtures("given")
def test_a_counter_of_another_time_signs_nothing(
    key: str, port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.counter = 2**32 - 2
    assert keys.main(["remove", port, "--key", key, *PATIENT]) == EXIT_FAILURE
    assert "2106-02-07: nothing is signed so far ahead" in one_line(capsys)
    assert node.last == b""


# --------------------------------------------------------------------------------------------------- --key


def test_a_wrong_passphrase_opens_no_port(
    key: str,
    port: str,
    node: ObeyingNode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(cli_key.VARIABLE, "wrong")
    assert keys.main(["remove", port, "--key", key, *PATIENT]) == EXIT_FAILURE
    assert "wrong passphrase, or the file was changed" in one_line(capsys)
    assert node.asked == 0


@pytest.mark.usefixtures("given")
def test_a_key_that_others_read_is_said(key: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod(key, 0o644)
    assert keys.main(["remove", port, "--key", key, *PATIENT]) == 0
    assert capsys.readouterr().err == f"warning: {key} can be read or changed by others: chmod 600 {key}\n"


def test_without_a_key_nothing_is_sent_to_a_keyed_node(
    port: str, node: ObeyingNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "and.img"
    image.write_bytes(encode(AND))
    node.guarded = True
    for main, arguments in (
        (deploy.main, [str(image)]),
        (deploy.main, [str(image), "--trial", "5"]),
        (deploy.main, ["--rollback"]),
        (deploy.main, ["--confirm"]),
        (deploy.main, ["--override", "on"]),
        (predict.main, ["1", "1"]),
        (settings.main, ["--debounce", "5"]),
    ):
        assert main([port, *arguments, *PATIENT]) == EXIT_FAILURE
        assert one_line(capsys) == (
            "error: a key is installed: this needs a signed order, give the key's file by --key\n"
        )
    assert node.written == []


def test_a_passphrase_file_alone_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main([port, "--passphrase-file", "any"]) == EXIT_FAILURE
    assert "--passphrase-file goes with --key FILE" in one_line(capsys)


@pytest.mark.parametrize("name", ["no.key", "and.img"])
def test_a_key_that_is_none_opens_no_port(
    port: str, node: ObeyingNode, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "and.img").write_bytes(encode(AND))
    assert deploy.main([port, "--rollback", "--key", str(tmp_path / name)]) == EXIT_FAILURE
    assert name in one_line(capsys)
    assert node.asked == 0


def test_only_the_node_that_is_meant(
    port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([port, "--uid", UID.hex().upper(), *PATIENT]) == 0
    capsys.readouterr()
    other = UID[::-1].hex()
    assert deploy.main([port, "--rollback", "--uid", other, *PATIENT]) == EXIT_FAILURE
    assert one_line(capsys) == (
        f"error: the node at address 1 is {UID.hex()}, not {other}: nothing was sent to it\n"
    )
    assert node.written == []


@pytest.mark.parametrize("text", ["", "0102", "zz" * 12, "00" * 13])
def test_what_is_no_uid(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["nowhere", f"--uid={text}"]) == EXIT_FAILURE
    assert "is no UID of 24 hex digits" in one_line(capsys)


def test_an_image_file_takes_no_key(tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "and.img"
    image.write_bytes(encode(AND))
    for option, value in (("key", key), ("uid", UID.hex())):
        assert deploy.main([str(image), "--describe", f"--{option}", value]) == EXIT_FAILURE
        assert f"--{option} needs a node" in one_line(capsys)


# -------------------------------------------------------------------------------------- what a node says of it


def test_what_runs_there_and_whom_it_obeys(
    port: str, node: ObeyingNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.locked, node.present = True, True
    node.says = {"TRIAL_LEFT": 7, "FIRMWARE_HASH": bytes(range(32))}
    assert deploy.main([port, *PATIENT]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        f"  firmware 1.2, hash {bytes(range(32)).hex()}",
        "  on trial: in 7 s the model of before comes back by itself, unless --confirm",
        f"  KEYED: it obeys orders signed by {node.key.hex()}",
        "  LOCKED: LOCK is in force now: no commands, no settings",
        "  PRESENT: someone was at the board at power-on",
    ]
    assert deploy.main([port, "--json", *PATIENT]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["hash"], said["trust"]["key"], said["trust"]["trial_left"]) == ("", node.key.hex(), 7)


def test_firmware_that_knows_no_keys_is_shown_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with stand_in(ObeyingNode(old=True).answer) as port:
        assert deploy.main([port, *PATIENT]) == 0
        assert capsys.readouterr().out.count("\n") == 1
        assert keys.main(["status", port, *PATIENT]) == EXIT_FAILURE
    assert "knows no keys: it is of an earlier build" in one_line(capsys)

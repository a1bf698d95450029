"""Each thing that can be wrong is one line of its own that says what to do; exit status 2, no traceback, and nothing on
standard output with --json."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from host import deploy, predict, train
from host import sim as sim_command
from host.boards.opening import open_node
from host.boards.simulated import NODES_MAX, simulate
from host.compiler import ROOT
from host.core.image import encode
from host.core.modbus import read_pdu
from host.core.wire import BY_NAME, WIRE_VERSION
from host.node.client import NodeError
from host.node.staging import deploy as deploy_to
from tests.e2e.scenario import AND, OR, largest
from tests.e2e.stand_in import exception, silence, stand_in, version

Fails = Callable[..., str]
"""fails(port, timeout="5"): run a command on a port; the line that it ends with."""

IN_VAIN = "0.05"
"""Seconds to wait where nobody answers; elsewhere a slow machine gets longer."""


@pytest.fixture
def image(tmp_path: Path) -> str:
    file = tmp_path / "and.img"
    file.write_bytes(encode(AND))
    return str(file)


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail: its line, without `error: `."""

    def run(main: Callable[[list[str]], int], *argv: str) -> str:
        capsys.readouterr()
        assert main(list(argv)) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err.removeprefix("error: ").rstrip("\n")

    return run


@pytest.fixture(params=["deploy", "state", "predict", "train"])
def fails(request: pytest.FixtureRequest, line: Callable[..., str], image: str) -> Fails:
    """Every command that talks to a node."""
    commands: dict[str, Callable[[str, tuple[str, ...]], str]] = {
        "deploy": lambda port, more: line(deploy.main, port, image, *more),
        "state": lambda port, more: line(deploy.main, port, *more),
        "predict": lambda port, more: line(predict.main, port, "1", "1", *more),
        "train": lambda port, more: line(train.main, "--model", "and", "--deploy", port, *more),
    }
    command = commands[request.param]
    return lambda port, timeout="5": command(port, ("--timeout", timeout, "--json"))


# ------------------------------------------------------------------------------------------------------------ the way


def test_a_port_that_does_not_exist(fails: Fails) -> None:
    said = fails("/dev/ttyUSB485")
    assert said.startswith("/dev/ttyUSB485 does not exist: is the adapter plugged in?")


def test_a_port_that_does_not_exist_is_said_before_a_training(
    line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "train_and_show", None)
    assert line(train.main, "--deploy", "/dev/ttyUSB485", "--json").startswith(
        "/dev/ttyUSB485 does not exist"
    )
    assert line(train.main, "--deploy", "socket://127.0.0.1:1", "--json").startswith("nothing answers at")
    monkeypatch.setattr("host.boards.renode.missing", lambda: "there is no Renode")
    assert line(train.main, "--deploy", "renode", "--json") == "there is no Renode"
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert "needs a C compiler" in line(train.main, "--deploy", "sim", "--json")


def test_a_port_in_use_is_said_before_a_training(
    line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "train_and_show", None)
    with simulate() as sim, open_node(sim.port):
        assert "is in use by another program" in line(train.main, "--deploy", sim.port, "--json")


def test_a_port_without_permission(fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    monkeypatch.setattr(serial, "serial_for_url", refuse)
    assert fails("/dev/ttyUSB0").startswith("no permission for /dev/ttyUSB0: join its group")


def test_a_port_in_use(fails: Fails) -> None:
    with simulate() as sim, open_node(sim.port):
        assert fails(sim.port) == f"{sim.port} is in use by another program: close that first"


def test_a_port_that_is_no_serial_port(fails: Fails, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert fails(str(file)) == f"{file} is a file: give a serial device, such as /dev/ttyUSB0 or COM3"
    assert (
        fails(str(tmp_path)) == f"{tmp_path} is a folder: give a serial device, such as /dev/ttyUSB0 or COM3"
    )
    assert fails(os.devnull).startswith(f"{os.devnull} is the null device: give a serial device")


@pytest.mark.parametrize("port", ["tcp://10.0.0.7:502", "10.0.0.7:502"])
def test_a_serial_server_is_written_as_a_socket(fails: Fails, port: str) -> None:
    said = fails(port)
    assert said.startswith(f"{port} ")
    assert said.endswith(": write socket://10.0.0.7:502 for a serial server")


def test_a_serial_server_that_nobody_knows(fails: Fails) -> None:
    assert fails("socket://no-such-host.invalid:502") == (
        "no computer named no-such-host.invalid is known here: is the name of the serial server right?"
    )


@pytest.mark.parametrize(
    "option", [("--baud", "9600"), ("--parity", "N"), ("--stop-bits", "2", "--parity", "N")]
)
@pytest.mark.parametrize("port", ["socket://127.0.0.1:1", "renode"])
def test_a_speed_that_would_do_nothing_is_refused(
    line: Callable[..., str], port: str, option: tuple[str, ...]
) -> None:
    said = line(deploy.main, port, *option)
    assert said.startswith(f"--baud, --parity and --stop-bits do nothing with {port}: ")


@pytest.mark.parametrize(
    "port",
    [
        f"socket://{rest}"
        for rest in " host :502 host: host:0 host:65536 host:http host:² host:५०२ host:502/".split(" ")
    ],
)
def test_a_socket_that_is_none(fails: Fails, port: str) -> None:
    assert fails(port).startswith(f"{port} is no socket://host:port")


def test_an_ipv6_address_stands_in_brackets(fails: Fails) -> None:
    assert fails("socket://[::1]:1") == (
        "nothing answers at ::1:1: is the serial server running and reachable?"
    )


def test_a_time_that_nobody_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["/dev/null", "--timeout", "1e10"]) == 2
    assert "'1e10' is more than 3600" in capsys.readouterr().err


def test_a_closed_tcp_port(fails: Fails) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert fails(f"socket://127.0.0.1:{port}") == (
        f"nothing answers at 127.0.0.1:{port}: is the serial server running and reachable?"
    )


def test_no_answer(fails: Fails) -> None:
    with stand_in(silence) as port:
        said = fails(port, IN_VAIN)
    assert said.startswith(f"no answer from address 1 on {port}: check power, wiring (A/B), address")


def test_no_answer_from_a_tcp_port(fails: Fails) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        assert fails(port, IN_VAIN).startswith(f"no answer from address 1 on {port}: check power")


def test_a_tcp_port_that_hangs_up() -> None:
    with simulate(tcp=0) as sim, open_node(f"socket://{sim.tcp}") as first:
        with open_node(f"socket://{sim.tcp}"):
            pass  # the newest client has the line
        with pytest.raises(NodeError, match="has gone: check the cable or the adapter"):
            first.identity()


def test_another_address_and_another_baud_rate(line: Callable[..., str]) -> None:
    quick = ("--timeout", IN_VAIN, "--json")
    with simulate() as sim:
        assert "no answer from address 9" in line(predict.main, sim.port, "1", "1", "--address", "9", *quick)
        assert "baud rate and parity" in line(predict.main, sim.port, "1", "1", "--baud", "9600", *quick)


def test_unplugged_while_talking() -> None:
    with simulate() as sim, open_node(sim.port) as node:
        sim.stop()
        with pytest.raises(NodeError, match=f"{sim.port} has gone: check the cable or the adapter"):
            node.identity()


# ----------------------------------------------------------------------------------------------------------- the node


@pytest.mark.parametrize(("found", "update"), [(WIRE_VERSION + 1, "program"), (WIRE_VERSION - 1, "firmware")])
def test_another_wire_version(fails: Fails, found: int, update: str) -> None:
    with stand_in(version(found)) as port:
        assert fails(port) == (
            f"the node speaks wire version {found}, this program {WIRE_VERSION}: update the {update}"
        )


def test_an_older_node_that_has_other_registers(fails: Fails) -> None:
    """Only WIRE_VERSION stands where it always stood."""

    def saying(version: int) -> Callable[[bytes], bytes]:
        def answer(pdu: bytes) -> bytes:
            alone = pdu == read_pdu(4, BY_NAME["WIRE_VERSION"].address, 1)
            return struct.pack(">BBH", 4, 2, version) if alone else bytes([pdu[0] | 0x80, 2])

        return answer

    with stand_in(saying(WIRE_VERSION - 1)) as port:
        assert fails(port).endswith(f"this program {WIRE_VERSION}: update the firmware")
    with stand_in(saying(WIRE_VERSION)) as port:
        assert fails(port) == "the node answered exception 2 (illegal address): is it a neuron485 node?"


@pytest.mark.parametrize("after_handshake", [False, True])
def test_a_node_that_stays_busy(fails: Fails, after_handshake: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.node.client.BUSY_SECONDS", 0.1)
    with stand_in(exception(6, after_handshake)) as port:
        assert fails(port) == "the node stays busy: wait until it is idle, then try again"


@pytest.mark.parametrize("after_handshake", [False, True])
@pytest.mark.parametrize(("code", "text"), [(1, "illegal function"), (2, "illegal address"), (99, "unknown")])
def test_a_node_of_another_kind(fails: Fails, code: int, text: str, after_handshake: bool) -> None:
    with stand_in(exception(code, after_handshake)) as port:
        assert fails(port) == f"the node answered exception {code} ({text}): is it a neuron485 node?"


def test_a_node_without_a_model(line: Callable[..., str]) -> None:
    with simulate() as sim:
        assert "runs no model: deploy one first" in line(predict.main, sim.port, "1", "1", "--json")
        assert "nothing to fetch" in line(deploy.main, sim.port, "--fetch", "none.img", "--json")
        assert "nothing to go back to" in line(deploy.main, sim.port, "--rollback", "--json")


def test_a_lamp_that_is_forced_is_not_a_proof(line: Callable[..., str], image: str) -> None:
    with simulate() as sim:
        with open_node(sim.port) as node:
            node.write_coil(0, True)
        said = line(deploy.main, sim.port, image, "--json")
        assert said == (
            "the model runs, but could not be proven: coil LAMP_TEST is set and holds the lamp or the outputs; "
            "clear it, or go without the proof (--no-prove)"
        )


# --------------------------------------------------------------------------------------------- files and arguments


def test_images_that_are_no_good(line: Callable[..., str], tmp_path: Path) -> None:
    def said(content: bytes | None) -> str:
        file = tmp_path / "file.img"
        if content is not None:
            file.write_bytes(content)
        text = line(deploy.main, "/dev/none", str(file), "--json")
        assert text.startswith(str(file))
        return text

    good = encode(AND)
    assert said(None).endswith("cannot be read: No such file or directory")
    assert "is no good image" in said(b"")
    assert "not a neuron485 image" in said(b"<!DOCTYPE html>" + bytes(100))
    assert "CRC-32 does not match" in said(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    assert "length does not fit" in said(good[:-4])
    assert "length does not fit" in said(encode(largest()) * 2)


def test_a_folder_is_no_image(line: Callable[..., str], tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in line(deploy.main, "/dev/none", str(tmp_path), "--json")


def test_an_image_that_cannot_be_written(line: Callable[..., str], tmp_path: Path) -> None:
    with simulate() as sim:
        with open_node(sim.port) as node:
            deploy_to(node, encode(OR))
        said = line(deploy.main, sim.port, "--fetch", str(tmp_path / "none" / "or.img"), "--json")
    assert said.startswith("cannot write")
    assert said.endswith(f"or.img: there is no folder {tmp_path / 'none'}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("port", ["sim", "renode"])
def test_a_node_of_its_own_has_nothing_to_predict_with(line: Callable[..., str], port: str) -> None:
    said = line(predict.main, port, "1", "1", "--json")
    assert "of its own has no model: start one that stays, python -m host.sim --link" in said


def test_what_cannot_be_fetched_to_is_known_before_the_node_is_asked(
    line: Callable[..., str], tmp_path: Path
) -> None:
    for name, why in (
        (os.devnull, "it is a device"),
        (str(tmp_path), "it is a folder"),
    ):
        said = line(deploy.main, "/dev/none", "--fetch", name, "--json")
        assert said.startswith(f"cannot write {name}: {why}")


def test_as_many_inputs_as_the_model_has(line: Callable[..., str]) -> None:
    with simulate() as sim:
        with open_node(sim.port) as node:
            deploy_to(node, encode(AND))
        for inputs in (["1"], ["1", "1", "1"]):
            said = line(predict.main, sim.port, *inputs, "--json")
            assert said == f"the model takes 2 inputs, not {len(inputs)}"


@pytest.mark.parametrize(
    ("main", "argv", "says"),
    [
        (predict.main, ["sim", "one"], "'one' is not a finite number"),
        (predict.main, ["sim", "nan"], "'nan' is not a finite number"),
        (predict.main, ["sim"], "required: x"),
        (predict.main, ["sim", "1", "--address", "0"], "'0' is not a whole number of 1..247"),
        (predict.main, ["sim", "1", "--baud", "300"], "'300' is not a whole number of 1200..1000000"),
        (predict.main, ["sim", "1", "--stop-bits", "2"], "8E2 is no Modbus format"),
        (deploy.main, ["sim", "--rollback", "--fetch", "x"], "choose one"),
        (deploy.main, ["sim", "--fetch", ""], "argument --fetch: an empty name"),
        (deploy.main, ["sim", ""], "argument IMAGE: an empty name"),
        (sim_command.main, ["--link", ""], "argument --link: an empty name"),
        (sim_command.main, ["--flash", ""], "argument --flash: an empty name"),
        (sim_command.main, ["--nodes", "1,1"], "'1,1' is no list of addresses"),
        (sim_command.main, ["--nodes", "0"], "'0' is no list of addresses"),
        (
            sim_command.main,
            ["--nodes", ",".join(map(str, range(1, NODES_MAX + 2)))],
            f"{NODES_MAX + 1} nodes, a simulated bus takes up to {NODES_MAX}",
        ),
        (sim_command.main, ["--tcp", "70000"], "'70000' is not a whole number of 0..65535"),
    ],
)
def test_wrong_arguments(
    line: Callable[..., str], main: Callable[[list[str]], int], argv: list[str], says: str
) -> None:
    assert says in line(main, *argv)


# -------------------------------------------------------------------------------------------------------- simulation


def test_a_bus_takes_as_many_nodes_as_is_said() -> None:
    pair = (ROOT / "firmware" / "port" / "native" / "pair.h").read_text()
    assert f"\n#define NODES_MAX {NODES_MAX}\n" in pair
    with simulate(nodes=range(1, NODES_MAX + 1)) as sim:
        assert len(sim.leds) == NODES_MAX


def test_a_simulated_node_without_a_compiler(
    line: Callable[..., str], image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    needs = "the simulated node needs a C compiler: install one (Debian: apt-get install gcc libc6-dev)"
    assert line(sim_command.main) == needs
    assert line(deploy.main, "sim", image, "--json") == needs
    assert line(train.main, "--model", "and", "--deploy", "sim", "--json") == needs


def test_a_tcp_port_that_is_taken(line: Callable[..., str]) -> None:
    with simulate(tcp=0) as sim:
        assert sim.tcp is not None
        said = line(sim_command.main, "--tcp", sim.tcp.rpartition(":")[2])
    assert said == "the simulated node did not start: the TCP port: Address already in use"


@pytest.mark.skipif(shutil.which("true") is None, reason="needs a program that ends at once")
def test_a_node_that_does_not_start(line: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.boards.simulated.build", lambda: Path(shutil.which("true") or ""))
    assert line(sim_command.main) == "the simulated node did not start: it said nothing"


def test_windows_says_it_in_words_only(line: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """There pyserial has no errno, only the text of the system's exception."""

    def saying(text: str) -> Callable[..., Any]:
        def refuse(*args: object, **options: object) -> None:
            raise serial.SerialException(f"could not open port 'COM3': {text}")

        return refuse

    for text, says in (
        (
            "FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)",
            "COM3 does not exist",
        ),
        ("PermissionError(13, 'Access is denied.', None, 5)", "COM3 is in use by another program"),
        ("OSError(22, 'The parameter is incorrect.', None, 87)", "COM3 cannot be opened"),
    ):
        monkeypatch.setattr(serial, "Serial", saying(text))
        monkeypatch.setattr(serial, "serial_for_url", saying(text))
        assert line(predict.main, "COM3", "1", "--json").startswith(says)


def test_a_reply_of_the_wrong_shape_is_no_answer(fails: Fails) -> None:
    """As many registers as nobody asked for, with the right CRC."""
    with stand_in(lambda pdu: struct.pack(">BB3H", pdu[0], 6, 1, 1, 1)) as port:
        assert fails(port, IN_VAIN).startswith("no answer from address 1")

"""python -m host.settings: what a node's line settings are, and how they change and stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from host import settings
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.wire import Format, Gap
from host.node.line import read_settings, save_settings


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Sim]:
    with simulate(flash=str(tmp_path / "flash"), tcp=0) as running:
        yield running


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    assert settings.main([*argv, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


BEYOND_THE_LINE = {
    **{"watchdog": 0.0, "watchdog_for": "frame", "safe": "off", "debounce": 0},
    **{"group": 0, "lock": 0, "broadcasts": False, "unsaved": {}},
}
DEFAULTS = {"address": 1, "baud": 19200, "line_format": "8E1", "gap": "standard", **BEYOND_THE_LINE}


def test_a_new_node_has_the_standard_s_defaults(sim: Sim, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, sim.port) == DEFAULTS


def test_changes_are_in_force_at_once_and_after_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash = str(tmp_path / "flash")
    wanted = {"address": 9, "baud": 115200, "line_format": "8N2", "gap": "true", **BEYOND_THE_LINE}
    new = ("--new-address", "9", "--new-baud", "115200", "--new-format", "8N2", "--new-gap", "true")
    spoken = ("--address", "9", "--baud", "115200", "--parity", "N", "--stop-bits", "2")
    with simulate(flash=flash) as sim:
        assert shown(capsys, sim.port, *new) == wanted
        assert shown(capsys, sim.port, *spoken) == wanted
    with simulate(flash=flash) as sim:
        assert shown(capsys, sim.port, *spoken) == wanted


def test_the_watchdog_and_the_debounce_are_settings_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash = str(tmp_path / "flash")
    wanted = {**DEFAULTS, "watchdog": 5.0, "watchdog_for": "write", "safe": "hold", "debounce": 20}
    new = ("--watchdog", "5", "--watchdog-for", "write", "--safe", "hold", "--debounce", "20")
    with simulate(flash=flash) as sim:
        assert settings.main([sim.port]) == 0
        assert capsys.readouterr().out == (
            "address 1, 19200 baud 8E1, gap standard; watchdog off; debounce 0 ms; "
            "commands by broadcast are refused\n"
        )
        assert shown(capsys, sim.port, *new) == wanted
        assert shown(capsys, sim.port, "--watchdog", "0.1") == {**wanted, "watchdog": 0.1}
    with simulate(flash=flash) as sim:
        assert shown(capsys, sim.port, "--watchdog", "6553", "--new-address", "1") == {
            **wanted,
            "watchdog": 6553.0,
        }
        assert settings.main([sim.port]) == 0
        assert capsys.readouterr().out == (
            "address 1, 19200 baud 8E1, gap standard; "
            "watchdog: after 6553.0 s without a write to it the lamp stays as it is; debounce 20 ms; "
            "commands by broadcast are refused\n"
        )
        assert shown(capsys, sim.port, "--watchdog", "off") == {**wanted, "watchdog": 0.0}


def test_who_may_change_it_is_a_setting_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flash = str(tmp_path / "flash")
    wanted = {**DEFAULTS, "group": 7, "lock": 65535, "broadcasts": True}
    with simulate(flash=flash) as sim:
        assert shown(capsys, sim.port, "--group", "7", "--lock", "65535", "--broadcasts", "yes") == wanted
        assert settings.main([sim.port]) == 0
        assert capsys.readouterr().out == (
            "address 1, 19200 baud 8E1, gap standard; watchdog off; debounce 0 ms; group 7; "
            "locked 65535 s after power-on; commands by broadcast are obeyed\n"
        )
    with simulate(flash=flash) as sim:
        assert shown(capsys, sim.port) == wanted
        kept = {**wanted, "broadcasts": False}
        assert shown(capsys, sim.port, "--broadcasts", "no") == kept
        assert shown(capsys, sim.port, "--group", "none") == {**kept, "group": 0}
        assert shown(capsys, sim.port, "--lock", "off") == DEFAULTS


def test_through_a_serial_server_only_the_node_changes(sim: Sim, capsys: pytest.CaptureFixture[str]) -> None:
    port = f"socket://{sim.tcp}"
    assert shown(capsys, port, "--new-address", "3") == {**DEFAULTS, "address": 3}
    assert shown(capsys, port, "--address", "3") == {**DEFAULTS, "address": 3}


def test_the_silence_that_a_node_asks_for_is_kept(sim: Sim) -> None:
    """Also behind a serial server, where only the node knows how fast it speaks."""
    with open_node(sim.port) as node:
        assert node.link.gap is Gap.STANDARD
        wanted = replace(read_settings(node), baud=115200, line_format=Format.F8N1, gap=Gap.TRUE_CHARACTERS)
        save_settings(node, wanted)
    assert sim.wait(lambda now: "node 1 115200 8N1" in now.lines)
    with open_node(sim.port, baud=115200, line_format=Format.F8N1) as node:
        assert node.link.gap is Gap.TRUE_CHARACTERS
    with open_node(f"socket://{sim.tcp}") as node:
        link = node.link
        assert (link.baud, link.line_format, link.gap) == (115200, Format.F8N1, Gap.TRUE_CHARACTERS)


@pytest.mark.parametrize(
    "option",
    [
        ("--new-baud", "5"),
        ("--new-address", "0"),
        ("--new-address", "248"),
        ("--new-format", "7E1"),
        ("--watchdog", "0"),
        ("--watchdog", "0.15"),
        ("--watchdog", "6554"),
        ("--watchdog", "nan"),
        ("--watchdog-for", "read"),
        ("--safe", "lit"),
        ("--debounce", "1001"),
        ("--group", "0"),
        ("--group", "65536"),
        ("--group", "all"),
        ("--lock", "0"),
        ("--lock", "65536"),
        ("--lock", "1.5"),
        ("--broadcasts", "maybe"),
    ],
)
def test_what_no_node_can_be_is_refused_here(
    sim: Sim, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    assert settings.main([sim.port, *option]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert shown(capsys, sim.port) == DEFAULTS


def test_a_node_of_its_own_speaks_as_it_is_asked_to() -> None:
    with open_node("sim", address=5, baud=115200, line_format=Format.F8N2) as node:
        found = read_settings(node)
    assert (found.address, found.baud, found.line_format) == (5, 115200, Format.F8N2)

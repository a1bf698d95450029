"""host.deploy --trial, --confirm and --revert against the firmware in memory, and what is said of a trial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import deploy
from host.boards.opening import open_node
from host.core.image import encode
from host.core.wire import EventKind, Reason
from host.errors import EXIT_FAILURE
from host.node.events import Event
from host.node.identity import Strange
from host.node.staging import try_out
from host.node.trials import confirm
from host.node.watching import Watching
from tests.e2e.scenario import AND, OR, crc_of
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode
from tests.patience import ANSWER

PATIENT = ("--timeout", str(ANSWER))
SECONDS = 60


@pytest.fixture
def port(node: MemoryNode) -> Iterator[str]:
    with stand_in(node.answer) as port:
        yield port


@pytest.fixture
def images(tmp_path: Path, node: MemoryNode) -> dict[str, str]:
    """Files; the node runs AND."""
    node.deploy(encode(AND))
    for name, model in (("and", AND), ("or", OR)):
        (tmp_path / name).write_bytes(encode(model))
    return {name: str(tmp_path / name) for name in ("and", "or")}


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert deploy.main([*arguments, "--json", *PATIENT]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert deploy.main([*arguments, *PATIENT]) == EXIT_FAILURE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_a_trial_that_is_confirmed_is_kept(
    node: MemoryNode, port: str, images: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([port, images["or"], "--trial", str(SECONDS), *PATIENT]) == 0
    out = capsys.readouterr().out
    assert "\n  try\n" in out
    assert f"\n  on trial: in {SECONDS} s the model of before comes back by itself, unless --confirm\n" in out
    said = asked(capsys, port, "--confirm")
    assert (said["crc32"], said["trust"]["trial_left"]) == (crc_of(OR), 0)  # type: ignore[index]
    node.power_cycle()
    assert node.get("MODEL_CRC") == crc_of(OR)


def test_a_trial_that_is_over_leaves_what_ran_before(
    node: MemoryNode, port: str, images: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = asked(capsys, port)
    for end in (
        lambda: asked(capsys, port, "--revert"),
        lambda: node.advance(1000 * SECONDS),
        node.power_cycle,
    ):
        assert asked(capsys, port, images["or"], "--trial", str(SECONDS))["crc32"] == crc_of(OR)
        end()
        node.work()
        node.idle(1)
        now = asked(capsys, port)
        assert (now["crc32"], now["sequence"]) == (crc_of(AND), before["sequence"])


def test_a_model_on_trial_is_not_taken_for_kept(
    port: str, images: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, port, images["or"], "--trial", str(SECONDS))
    assert "that model is on trial there: confirm it to keep it (--confirm), or --revert" in failed(
        capsys, port, images["or"]
    )
    assert "a model is on trial" in failed(capsys, port, images["and"])


@pytest.mark.parametrize("option", ["--confirm", "--revert"])
def test_without_a_trial_there_is_nothing_to_end(
    port: str, images: dict[str, str], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert "no model is on trial there" in failed(capsys, port, option)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trial", "5"], "--trial goes with an image to deploy"),
        (["and.img", "--trial", "0"], "is not a whole number of 1..65535"),
        (["and.img", "--confirm"], "choose one: an image to deploy, --confirm, --revert, --rollback"),
        (["--confirm", "--revert"], "choose one"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in failed(capsys, "nowhere", *arguments)


@pytest.mark.usefixtures("images")
def test_who_watches_sees_a_trial_begin_and_end(port: str) -> None:
    with open_node(port, timeout=ANSWER) as opened:
        watching = Watching(opened)
        states = ["TRIAL" in watching.look().states]
        for deed in (lambda: try_out(opened, encode(OR), SECONDS), lambda: confirm(opened)):
            deed()
            states.append("TRIAL" in watching.look().states)
    assert states == [False, True, False]


def event(kind: EventKind, detail: int, value: int) -> Event:
    return Event(1, 0, 0, kind, detail, value, ())


def test_trials_and_orders_are_events_in_words() -> None:
    said = [event(EventKind.TRIAL, detail, 0xAB).in_words() for detail in range(3)]
    assert said == [
        "the trial of model 0x000000ab is over, the model of before is back",
        "model 0x000000ab is on trial",
        "model 0x000000ab was on trial and is kept",
    ]
    assert event(EventKind.ORDER, 2, 7).in_words() == "an order was carried out: COMMIT, counter 7"
    for kind in (EventKind.TRIAL, EventKind.ORDER):
        with pytest.raises(Strange):
            event(kind, max(Reason) + 1, 0).in_words()

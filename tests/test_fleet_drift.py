"""How a fleet stands: what is found on the line beside what the file wants, and what would be sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from host.core.hashes import hash_of
from host.core.image import encode
from host.core.wire import WIRE_VERSION, Gap, State, Trust
from host.node.drift import Drift, Survey, shipments, survey, unready
from host.node.fleet import Fleet, Member
from host.node.link import Gone
from host.show.fleets import plan_lines, status_lines, summary
from tests.fleet_line import FakeNode, FleetLine
from tests.models import random_model

OLD, NEW, OTHER = (encode(random_model(np.random.default_rng(seed))) for seed in (1, 2, 3))
FIRMWARE = "11" * 32


def uid(number: int) -> str:
    return f"{number:024x}"


def member(number: int, **more: Any) -> Member:
    """Number n stands at address 10 + n."""
    return Member(uid(number), f"pump {number}", 10 + number, **more)


def fake(number: int, model: bytes = OLD, **more: Any) -> FakeNode:
    return FakeNode(10 + number, uid(number), model, **more)


def found(nodes: list[FakeNode], *members: Member) -> Survey:
    return survey(FleetLine(nodes), Fleet("fleet.toml", members))


def drifts(of: Survey) -> list[list[str]]:
    return [[difference.drift.value for difference in standing.differs] for standing in of.standings]


def test_as_wanted() -> None:
    of = found(
        [fake(1), fake(2, NEW, values={"GROUP_IN_FORCE": 7})],
        member(1, model="old.img", image=OLD, firmware=FIRMWARE),
        member(2, model="new.img", image=NEW, group=7),
    )
    assert of.as_wanted
    assert drifts(of) == [[], []]
    assert summary(of) == "2 nodes: 2 as wanted"
    assert list(plan_lines(shipments(of.standings), [])) == ["nothing is to be sent"]


def test_what_the_file_leaves_open_does_not_differ() -> None:
    assert found([fake(1, NEW, values={"GROUP_IN_FORCE": 3})], member(1)).as_wanted


@pytest.mark.parametrize(
    ("node", "wanted", "drift", "said"),
    [
        (fake(1), {"model": "new.img", "image": NEW}, Drift.MODEL, "model: a model {old} -> new.img {new}"),
        (fake(1, b""), {"model": "new.img", "image": NEW}, Drift.MODEL, "model: none -> new.img {new}"),
        (fake(1), {"group": 3}, Drift.GROUP, "group: none -> 3"),
        (fake(1, values={"GROUP_IN_FORCE": 2}), {"group": 3}, Drift.GROUP, "group: 2 -> 3"),
        (fake(1), {"firmware": "ab" * 32}, Drift.FIRMWARE, "firmware: 0.1 111111111111 -> abababababab: flash it"),
        (
            fake(1, values={"FIRMWARE_HASH": bytes(32)}),
            {"firmware": FIRMWARE},
            Drift.FIRMWARE,
            "firmware: 0.1 not known: it has not read through it yet, or was built without hashes -> "
            "111111111111: flash it",
        ),
        (fake(1, tries=NEW, left=5.0), {}, Drift.TRIAL, "trial: 5 s are left, then the model before comes back"),
    ],
)  # fmt: skip
def test_each_difference(node: FakeNode, wanted: dict[str, Any], drift: Drift, said: str) -> None:
    of = found([node], member(1, **wanted))
    assert drifts(of) == [[drift.value]]
    short = {"old": hash_of(OLD).hex()[:12], "new": hash_of(NEW).hex()[:12]}
    assert of.standings[0].differs[0].in_words() == said.format(**short)


def test_a_missing_node_is_named_and_the_others_are_asked() -> None:
    of = found([fake(1, off=True), fake(2)], member(1), member(2))
    assert drifts(of) == [["missing"], []]
    assert "no answer from address 11" in of.standings[0].differs[0].is_
    assert summary(of) == "2 nodes: 1 as wanted, 1 not there"


def test_a_node_that_is_not_in_the_file_stands_at_the_address_of_one_that_is() -> None:
    stranger = FakeNode(11, uid(99), OLD)
    of = found([stranger], member(1, model="new.img", image=NEW))
    assert drifts(of) == [["other"]]
    assert of.standings[0].found is None
    assert [unknown.as_dict() for unknown in of.unknown] == [{"uid": uid(99), "address": 11}]
    assert not shipments(of.standings), "an image is for a UID, not for an address"
    assert "unknown" in list(status_lines(of))[-1]


def test_nodes_that_stand_at_each_others_addresses_are_known_by_their_uids() -> None:
    of = found([FakeNode(12, uid(1), OLD), FakeNode(11, uid(2), NEW)], member(1), member(2))
    assert drifts(of) == [["address"], ["address"]]
    assert [standing.found and standing.found.address for standing in of.standings] == [12, 11]
    assert not of.unknown


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"WIRE_VERSION": WIRE_VERSION + 1}, "update the program"),
        ({"GAP_IN_FORCE": 9}, "GAP_IN_FORCE is 9"),
        ({"ADDRESS_IN_FORCE": 0}, "ADDRESS_IN_FORCE is 0"),
        ({"TRUST": 0xFFFF}, "TRUST is"),
        ({"STATE": 99}, "STATE is 99"),
    ],
)
def test_one_that_says_nonsense_is_strange_and_the_others_are_asked(
    values: dict[str, Any], said: str
) -> None:
    of = found([fake(1, values=values), fake(2)], member(1), member(2))
    assert drifts(of) == [["strange"], []]
    assert said in of.standings[0].differs[0].is_


def test_a_line_that_goes_is_nobodys_difference() -> None:
    line = FleetLine([fake(1)])
    line.gone = True
    with pytest.raises(Exception, match="has gone") as error:
        survey(line, Fleet("fleet.toml", (member(1),)))
    assert isinstance(error.value.__cause__, Gone)


@pytest.mark.parametrize("gaps", [(Gap.TRUE_CHARACTERS,) * 2, (Gap.TRUE_CHARACTERS, Gap.STANDARD)])
def test_silences_are_short_only_where_all_hear_them(gaps: tuple[Gap, Gap]) -> None:
    line = FleetLine([fake(n, values={"GAP_IN_FORCE": gap}) for n, gap in enumerate(gaps, 1)])
    survey(line, Fleet("fleet.toml", (member(1), member(2))))
    assert line.gap is min(gaps)


def test_an_image_is_sent_once_to_all_that_lack_it() -> None:
    of = found(
        [fake(1), fake(2), fake(3), fake(4, NEW)],
        member(1, model="a.img", image=NEW),
        member(2, model="b.img", image=OTHER),
        member(3, model="copy/a.img", image=NEW),
        member(4, model="a.img", image=NEW),
    )
    ships = shipments(of.standings)
    assert [ship.as_dict() for ship in ships] == [
        {"model": "a.img", "hash": hash_of(NEW).hex(), "bytes": len(NEW), "nodes": ["pump 1", "pump 3"]},
        {"model": "b.img", "hash": hash_of(OTHER).hex(), "bytes": len(OTHER), "nodes": ["pump 2"]},
    ]
    assert "to 2 nodes: pump 1, pump 3" in next(plan_lines(ships, []))


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (fake(1), ""),
        (fake(1, values={"TRUST": 0, "MODEL_HASH": bytes(32)}), "without Monocypher"),
        (fake(1, values={"STATE": State.TRAINING}), "training a model itself"),
        (fake(1, tries=NEW, left=7.0), "on trial there for another 7 s"),
        (fake(1, values={"TRUST": 1 << Trust.CRYPTO | 1 << Trust.KEYED, "KEY": b"\1" * 32}), ""),
    ],
)
def test_who_can_take_no_image_now(node: FakeNode, why: str) -> None:
    standing = found([node], member(1)).standings[0]
    assert standing.found is not None
    assert why in unready(standing.found)
    assert bool(why) == bool(unready(standing.found))


def test_json_has_all_of_it() -> None:
    of = found([fake(1, off=True), fake(2)], member(1), member(2, model="new.img", image=NEW, group=3))
    missing, there = (standing.as_dict() for standing in of.standings)
    assert missing.keys() == there.keys()
    assert {name for name, value in missing.items() if value is None} == {
        *("address", "group", "model", "model_hash", "sequence"),
        *("firmware", "firmware_hash", "trial_left", "faults", "shares_address", "keyed"),
    }
    assert there["wanted"] == {
        "address": 12,
        "group": 3,
        "model": "new.img",
        "model_hash": hash_of(NEW).hex(),
        "firmware_hash": "",
    }
    assert there["model_hash"] == hash_of(OLD).hex()
    assert there["differs"] == [
        {"drift": "group", "is": "none", "wanted": "3"},
        {
            "drift": "model",
            "is": f"a model {hash_of(OLD).hex()[:12]}",
            "wanted": f"new.img {hash_of(NEW).hex()[:12]}",
        },
    ]

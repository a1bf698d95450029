"""A fleet for people: how its nodes stand, what would be sent to them, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from host.core.hashes import hash_of, short
from host.core.wire import BLOCK_BYTES
from host.errors import counted, listed
from host.node.applied import Apply, Outcome
from host.node.drift import Shipment, Standing, Survey, Unknown, model_of
from host.node.rollout import Fate
from host.show.columns import columns

NAMES = 8
"""Of nodes that one line lists."""
FATES = {
    Fate.NEW: "runs {new}",
    Fate.OLD: "goes on with {old}",
    Fate.TRIAL: "tries {new} and has not kept it: {old} comes back by itself within {seconds} s",
    Fate.UNSURE: "runs {old} or {new}, whole in either case: it could not be asked",
}


def _runs(standing: Standing) -> str:
    return model_of(standing.found) or "no model" if standing.found else ""


def _key(standing: Standing, keys: bool) -> str:
    """Whether a key is installed there, where some of the fleet's nodes have one: a board that was put in the place of
    another has none."""
    if not keys or standing.found is None:
        return ""
    return "key, " if standing.found.trusted.keyed else "no key, "


def status_lines(survey: Survey) -> Iterator[str]:
    """A line a node: its name, its address, what runs there, and in what it differs, a further line each."""
    rows = []
    keys = any(standing.found and standing.found.trusted.keyed for standing in survey.standings)
    for standing in survey.standings:
        found = standing.found
        address = str(found.address) if found else str(standing.member.address)
        said = [difference.in_words() for difference in standing.differs] or ["as wanted"]
        rows.append((standing.member.name, address, _key(standing, keys) + _runs(standing), said[0]))
        rows += [("", "", "", more) for more in said[1:]]
    rows += [("?", str(unknown.address or ""), "", _unknown(unknown)) for unknown in survey.unknown]
    yield from columns(rows)


def _unknown(unknown: Unknown) -> str:
    if unknown.address is None:
        return f"unknown: more than one node seems to have the UID {unknown.uid}, or the line damages what they say"
    return f"unknown: {unknown.uid} is not in the file"


def summary(survey: Survey) -> str:
    """'32 nodes: 30 as wanted, 1 missing, 1 unknown'."""
    good = sum(not standing.differs for standing in survey.standings)
    missing = sum(standing.found is None for standing in survey.standings)
    parts = [f"{good} as wanted"]
    if differ := len(survey.standings) - good - missing:
        parts.append(f"{differ} otherwise")
    if missing:
        parts.append(f"{missing} not there")
    if survey.unknown:
        parts.append(f"{len(survey.unknown)} unknown")
    return f"{counted(len(survey.standings), 'node')}: {', '.join(parts)}"


def plan_lines(ships: Sequence[Shipment], moves: Sequence[Standing]) -> Iterator[str]:
    """What apply would send."""
    for standing in moves:
        said = ", ".join(d.in_words() for d in standing.differs if d.drift in ("address", "group"))
        yield f"to be set at {standing.member.name}: {said}"
    for ship in ships:
        names = listed([standing.member.name for standing in ship.standings], NAMES)
        blocks = counted(-(-len(ship.image) // BLOCK_BYTES), "block")
        nodes = counted(len(ship.standings), "node")
        image = f"{ship.model} {short(hash_of(ship.image))}, {len(ship.image)} bytes in {blocks}"
        yield f"to be sent: {image}, to {nodes}: {names}"
    if not ships and not moves:
        yield "nothing is to be sent"


def outcome_in_words(outcome: Outcome, seconds: int) -> str:
    """What a node runs now, what was seen of its trial, and what is wrong."""
    part = outcome.part
    if part is None:
        runs = _runs(outcome.standing)
        said = f"runs {runs}, as before" if runs else ""
    else:
        old, new = _runs(part.standing), f"{part.standing.member.model} {short(part.receiver.hash)}"
        said = FATES[part.fate].format(old=old, new=new, seconds=seconds)
        if part.watched is not None and part.watched.looks:
            said += f" ({part.watched.in_words()})"
    return "; ".join(text for text in (said, outcome.trouble) if text)


def outcome_lines(apply: Apply) -> Iterator[str]:
    """A line a node, and the sum."""
    rollout = apply.rollout
    canaries = bool(rollout and rollout.trial and rollout.trial.canaries)
    seconds = rollout.seconds if rollout else 0
    rows = [
        (
            outcome.standing.member.name,
            "canary" if canaries and outcome.part and outcome.part.canary else "",
            outcome_in_words(outcome, seconds),
        )
        for outcome in apply.outcomes
    ]
    yield from columns(rows)
    if rollout and rollout.stopped:
        yield f"stopped: {rollout.stopped}"
    good = sum(outcome.as_wanted for outcome in apply.outcomes)
    yield f"{good} of {counted(len(apply.outcomes), 'node')} as wanted"

"""The nodes of a fleet that do not stand where they should, and those that are not in its file: found by their UIDs,
whatever their addresses are, several at one address included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from host.core.wire import WIRE_VERSION
from host.errors import NeuronError
from host.node.drift import ABSENT, Difference, Drift, Standing, Survey, Unknown, differences, look
from host.node.identity import Strange
from host.node.link import Link, is_gone
from host.node.scanning import SIMULATED_SECONDS, WAIT_SECONDS, selected, waiting
from host.node.search import Found as Answer
from host.node.search import asking, search
from host.progress import Progress, silent


def is_wanted(survey: Survey) -> bool:
    """Whether somebody is not where the file has it."""
    return any(standing.has(*ABSENT) for standing in survey.standings)


def seek(link: Link, survey: Survey, progress: Progress = silent) -> Survey:
    """What was found at the fleet's addresses, and what a search finds beside that. NeuronError where the line goes, or
    carries nothing whole."""
    progress("search", 0, 1)
    with waiting(link, WAIT_SECONDS if link.timed else SIMULATED_SECONDS):
        roll = search(asking(link))
        answers = {answer.uid.hex(): answer for answer in roll.found}
        at = Counter(answer.address for answer in answers.values())
        standings = [_standing(link, standing, answers, at) for standing in survey.standings]
    progress("search", 1, 1)
    unknown = {one.uid: one for one in survey.unknown}
    unknown |= {uid: Unknown(uid, answer.address) for uid, answer in answers.items()}
    unknown |= {uid.hex(): Unknown(uid.hex(), None) for uid in roll.clashes}
    members = {standing.member.uid for standing in standings}
    return Survey(standings, [one for uid, one in unknown.items() if uid not in members])


def _standing(
    link: Link, standing: Standing, answers: Mapping[str, Answer], at: Mapping[int, int]
) -> Standing:
    """A member's, with what its answer to the search says. at: how many nodes each address has."""
    member = standing.member
    answer = answers.get(member.uid)
    if answer is None:
        return standing
    shares = at[answer.address] > 1
    if standing.found is not None and not shares:
        return standing
    if answer.version != WIRE_VERSION:
        text = f"at address {answer.address} it speaks wire version {answer.version}, this program {WIRE_VERSION}"
        return Standing(member, None, (Difference(Drift.STRANGE, f"{text}: update the older"),))
    try:
        with selected(link, bytes.fromhex(member.uid)) as node:
            found = replace(look(node), shares=shares)
        if found.uid != member.uid:
            raise Strange("UID", f"{found.uid}, and answered the search as {member.uid}")
    except NeuronError as error:
        if is_gone(error):
            raise
        return Standing(member, None, (Difference(Drift.STRANGE, str(error)),))
    return Standing(member, found, tuple(differences(member, found)))

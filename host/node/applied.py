"""A fleet brought to what its file says: places first, then images; and what became of each node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host.node.deeds import Deeds
from host.node.drift import SENT, Standing, Survey, shipments
from host.node.link import Link
from host.node.places import Places, Settled
from host.node.rollout import Fate, Part, Rollout, Trial
from host.progress import Progress, silent


@dataclass(frozen=True)
class Outcome:
    """What became of a member. standing: as it was found, with its place as it is now; part: in the rollout, None
    where no image was to be sent to it; place: why it did not get its address or group, "" where it has them."""

    standing: Standing
    part: Part | None = None
    place: str = ""

    @property
    def trouble(self) -> str:
        """All that is wrong with it, "" where it is as wanted now."""
        said = [self.place] if self.place else []
        if self.part is not None and self.part.trouble:
            said.append(self.part.trouble)
        said += [d.in_words() for d in self.standing.differs if d.drift not in SENT]
        return "; ".join(said)

    @property
    def as_wanted(self) -> bool:
        return not self.trouble and (self.part is None or self.part.fate is Fate.NEW)

    def as_dict(self) -> dict[str, Any]:
        part = self.part
        return {
            "uid": self.standing.member.uid,
            "name": self.standing.member.name,
            "as_wanted": self.as_wanted,
            "fate": part.fate.value if part else "same",
            "canary": bool(part and part.canary),
            "trouble": self.trouble,
            "watched": part.watched.as_dict() if part and part.watched else None,
        }


class Apply:
    """survey: how the fleet stood before; rollout: of its images, None until it begins."""

    def __init__(
        self, link: Link, survey: Survey, trial: Trial | None = None, deeds: Deeds | None = None
    ) -> None:
        self._link, self.survey, self._trial = link, survey, trial
        self._deeds = deeds or Deeds()
        self._settled = [Settled(standing) for standing in survey.standings]
        self.rollout: Rollout | None = None

    def run(self, progress: Progress = silent) -> None:
        """All of it. Whatever ends it, `outcomes` says how far it came."""
        others = [unknown.address for unknown in self.survey.unknown if unknown.address is not None]
        places = Places(self._link, self._settled, others, self._deeds)
        places.settle(progress)
        standings = [one.standing for one in self._settled if not one.trouble]
        self.rollout = Rollout(self._link, shipments(standings), self._trial, self._deeds, progress)
        self.rollout.run()

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all members, in the file's order."""
        parts = {part.standing.member.uid: part for part in self.rollout.parts} if self.rollout else {}
        return [
            Outcome(one.standing, parts.get(one.standing.member.uid), one.trouble) for one in self._settled
        ]

    @property
    def as_wanted(self) -> bool:
        """Every member has what the file says."""
        return all(outcome.as_wanted for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "as_wanted": self.as_wanted,
            "stopped": self.rollout.stopped if self.rollout else "",
            "images": [ship.as_dict() for ship in self.rollout.ships] if self.rollout else [],
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
        }

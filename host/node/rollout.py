"""A fleet's images on their way: staged on all nodes by broadcast, switched together, and if so wanted tried first.

Whatever happens, a node runs the model that it had or the one that it was to get, whole, and `Part.fate` says which, or
that it could not be asked any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from host.core.wire import Session
from host.errors import NeuronError, counted
from host.node import onset
from host.node.broadcast import Broadcast, Receiver, close, new_go, require_kept, switch
from host.node.deeds import Deeds
from host.node.drift import Shipment, Standing, unready
from host.node.link import Link, is_gone
from host.node.onset import TRIED, Limits, Watched
from host.progress import Progress, silent

SPARE_SECONDS = 60
"""How much longer a trial may last on the node than it is watched: so long the others' switch and the confirmations may
take."""


class Fate(StrEnum):
    """Which model a node runs in the end."""

    NEW = "new"
    """The one that it was to get, and it is kept."""
    OLD = "old"
    """The one that it had."""
    TRIAL = "trial"
    """The new one, on trial: the old one comes back by itself."""
    UNSURE = "unsure"
    """One of the two; it could not be asked."""


@dataclass(frozen=True)
class Trial:
    """seconds: for which a new model is watched before it is kept; canaries: so many of each image are watched, before
    the others get it, 0: all are; max_failed: so many may fail, which go back alone; limits: what it is to fail."""

    seconds: int
    canaries: int = 0
    max_failed: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(eq=False)
class Part:
    """A node's part in it. watched: what was seen of its trial."""

    standing: Standing
    receiver: Receiver
    crc: int
    fate: Fate = Fate.OLD
    canary: bool = False
    watched: Watched | None = None

    @property
    def trouble(self) -> str:
        return self.receiver.trouble


@dataclass
class Rollout:
    """ships: what is to be sent to whom; trial None: what is switched to is kept at once. stopped: why the rest did not
    get it, "" where nothing stopped."""

    link: Link
    ships: Sequence[Shipment]
    trial: Trial | None = None
    deeds: Deeds = field(default_factory=Deeds)
    progress: Progress = silent

    def __post_init__(self) -> None:
        self.stopped = ""
        self._goes = new_go(), new_go()
        self._shipped = [[self._part(ship, standing) for standing in ship.standings] for ship in self.ships]

    def _part(self, ship: Shipment, standing: Standing) -> Part:
        assert standing.found is not None
        receiver = Receiver(standing.member.name, self.deeds.node(self.link, standing), self._goes[1])
        receiver.trouble = unready(standing.found) or self.deeds.refused_by(standing)
        part = Part(standing, receiver, int.from_bytes(ship.image[-4:], "little"))
        if self.trial:
            part.watched = Watched(receiver, frozenset(standing.found.identity.faults))
        return part

    @property
    def parts(self) -> list[Part]:
        """Of all nodes, an image's together."""
        return [part for shipped in self._shipped for part in shipped]

    @property
    def seconds(self) -> int:
        """That the trial may last on a node."""
        return self.trial.seconds + SPARE_SECONDS + len(self.parts) if self.trial else 0

    def run(self) -> None:
        """All of it. A node that falls out is in trouble and the others go on; where the line goes, or a Ctrl-C comes,
        no more is begun, and what is on trial goes back."""
        self._choose_canaries()
        try:
            for ship, shipped in zip(self.ships, self._shipped, strict=True):
                receivers = [part.receiver for part in shipped if not part.trouble]
                if receivers:
                    Broadcast(self.link, ship.image, receivers, self.seconds).stage(self.progress)
            if self.trial is None:
                self._switch(self.parts)
                self._require_kept(self.parts)
            else:
                self._try(self.trial)
            self._settle(self.parts)
        except BaseException as error:
            if not is_gone(error):
                with suppress(NeuronError):
                    self._retreat()
            raise

    # -------------------------------------------------------------------------------------------------- steps

    def _choose_canaries(self) -> None:
        """The first of each image, in the file's order, that may take part."""
        for shipped in self._shipped if self.trial else []:
            assert self.trial is not None
            able = [part for part in shipped if not part.trouble]
            for part in able[: self.trial.canaries or len(able)]:
                part.canary, part.receiver.go = True, self._goes[0]

    def _switch(self, parts: Sequence[Part]) -> None:
        """Have these run their images now, all at once."""
        able = [part for part in parts if not part.trouble]
        others_wait = any(part.canary for part in parts) and any(not part.canary for part in self.parts)
        self.deeds.arm([part.receiver for part in able], self.seconds, not others_wait)
        able = [part for part in able if not part.trouble]
        for part in parts:  # one that has fallen out may have heard everything, and only its answers are lost
            part.fate = Fate.UNSURE
        switch(self.link, [part.receiver for part in able], self.progress)
        for part in able:
            if part.receiver.state is Session.DONE and self.trial:
                part.fate = Fate.TRIAL

    def _require_kept(self, parts: Sequence[Part]) -> None:
        if not parts:
            return
        for done, part in enumerate(parts):
            self.progress("keep", done, len(parts))
            if not part.trouble:
                require_kept(part.receiver)
                part.fate = Fate.UNSURE if part.trouble else Fate.NEW
        self.progress("keep", len(parts), len(parts))

    def _try(self, trial: Trial) -> None:
        canaries = [part for part in self.parts if part.canary]
        rest = [part for part in self.parts if not part.canary]
        goes_on = self._watch(trial, canaries, trial.seconds)
        if goes_on and any(not part.trouble for part in rest):
            goes_on = self._watch(trial, rest, 0)
        if goes_on:
            self._confirm([part for part in self.parts if part.fate is Fate.TRIAL and not part.trouble])
        else:
            self._back(self.parts)
            close([part.receiver for part in rest])

    def _watch(self, trial: Trial, parts: Sequence[Part], seconds: int) -> bool:
        """Switch these and watch them; whether so few fail that it goes on."""
        told = [part for part in parts if not part.trouble]
        self._switch(parts)
        watched = [part.watched for part in told if part.watched and not part.trouble]
        onset.watch(watched, seconds, trial.limits, self.progress)
        failed = [part for part in self.parts if part.trouble and (part.canary or part in told)]
        good = [part for part in parts if not part.trouble]
        self._back(failed)
        if len(failed) <= trial.max_failed and good:
            return True
        self.stopped = f"{counted(len(failed), 'node')} failed, {trial.max_failed} may: all go back"
        if not failed:
            self.stopped = "no node is left to be watched: nothing is switched"
        return False

    def _confirm(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.fate = Fate.UNSURE
            with part.receiver.or_trouble():
                self.deeds.confirm(part.receiver, part.crc)
        self._require_kept(parts)
        self._back([part for part in parts if part.trouble])

    def _back(self, parts: Sequence[Part]) -> None:
        """The model before comes back on those that try the new one: at once where they can be told, else by itself."""
        for part in parts:
            if part.fate in (Fate.TRIAL, Fate.UNSURE):
                with _beside(part):
                    self._ask(part)
                    if part.fate is Fate.TRIAL:
                        self.deeds.revert(part.receiver, part.crc)
                        self._ask(part)

    # ----------------------------------------------------------------------------------------------- in the end

    def _settle(self, parts: Sequence[Part]) -> None:
        """Ask those of whom it is not known what they run."""
        for part in parts:
            if part.fate is Fate.UNSURE:
                with _beside(part):
                    self._ask(part)

    def _ask(self, part: Part) -> None:
        """Which model it runs now."""
        tried = part.receiver.node.read_block(TRIED)
        new = tried["MODEL_HASH"] == part.receiver.hash
        part.fate = (Fate.TRIAL if tried["TRIAL_LEFT"] else Fate.NEW) if new else Fate.OLD

    def _retreat(self) -> None:
        """Leave nothing half done, as far as nodes can be reached. What has been kept stays."""
        close([part.receiver for part in self.parts if part.fate is Fate.OLD])
        if self.trial:
            self._back(self.parts)
        else:
            self._require_kept([part for part in self.parts if part.fate is Fate.UNSURE and not part.trouble])
            self._settle(self.parts)


@contextmanager
def _beside(part: Part) -> Iterator[None]:
    """What goes wrong with a node meanwhile is its trouble, if it has none yet."""
    before = part.trouble
    with part.receiver.or_trouble():
        yield
    part.receiver.trouble = before or part.trouble

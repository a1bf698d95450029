"""What core/store.c promises, as a model for the register tests: where records go, and what a cut of power leaves.

One step of the model is one step of the store, so that a test may look at the node, or cut its power, in between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

SECTOR_SIZE, MARK_SIZE, OVERHEAD, HEADER_WORDS, VERDICT_WORDS = 16384, 8, 48, 6, 3


@dataclass
class Record:
    """One record. `payload` is what it keeps."""

    sector: int
    sequence: int
    payload: bytes
    committed: bool = False


@dataclass
class Sector:
    """A sector's log. `end`: its first free byte; its size when nothing may follow."""

    records: list[Record] = field(default_factory=list)
    prepared: bool = False
    given_up: bool = False
    """The mark is overwritten whole, and its records no longer count."""
    torn: bool = False
    """It ends with words that are no whole header."""
    end: int = SECTOR_SIZE


class StoreModel:
    """Two sectors, their active record and the one before it. `steps` is what is still to be done, by name."""

    def __init__(self) -> None:
        self.sectors = [Sector(), Sector()]
        self.boot()

    def boot(self) -> None:
        """Start again from what stands in the sectors."""
        self.steps: deque[str] = deque()
        self.target = 0
        self.pending: bytes | None = None
        self.written: Record | None = None
        self.sequence = 0
        for sector in self.sectors:
            used = MARK_SIZE + sum(OVERHEAD + len(record.payload) for record in sector.records)
            closed = (
                not sector.prepared or sector.torn or not all(record.committed for record in sector.records)
            )
            sector.end = SECTOR_SIZE if closed else used
            self.sequence = max([self.sequence, *(record.sequence for record in sector.records)])
        good = [
            record
            for sector in self.sectors
            for record in sector.records
            if record.committed and not sector.given_up
        ]
        good.sort(key=lambda record: record.sequence)
        self.active = good[-1] if good else None
        self.previous = good[-2] if len(good) > 1 else None

    @property
    def erasing(self) -> bool:
        return bool(self.steps) and self.steps[0] in ("unmark", "erase", "wait", "mark")

    @property
    def busy(self) -> bool:
        """A commit is under way."""
        return self.pending is not None

    def commit(self, payload: bytes) -> None:
        assert self.pending is None
        self.pending = payload

    def _start_erase(self, target: int) -> None:
        self.target = target
        self.sectors[target].end = SECTOR_SIZE
        if self.previous and self.previous.sector == target:
            self.previous = None
        self.steps.extend(["unmark", "unmark", "erase", "wait", "wait", "mark", "mark"])

    def _begin(self) -> bool:
        spare = 1 - self.active.sector if self.active else 0
        if self.pending is not None:
            need = len(self.pending) + OVERHEAD
            for target in (1 - spare, spare):
                if SECTOR_SIZE - self.sectors[target].end >= need:
                    self.target = target
                    words = HEADER_WORDS + len(self.pending) // 4
                    self.steps.extend(["header"] * HEADER_WORDS + ["payload"] * (words - HEADER_WORDS))
                    self.steps.extend(["commit"] * VERDICT_WORDS)
                    return True
            self._start_erase(spare)
            return True
        ready = self.sectors[spare].end == MARK_SIZE
        if ready or (self.previous is not None and self.previous.sector == spare):
            return False
        self._start_erase(spare)
        return True

    def step(self) -> bool:
        """One step; False when there was nothing to do."""
        if not self.steps:
            return self._begin()
        step = self.steps.popleft()
        sector = self.sectors[self.target]
        if step == "unmark":
            sector.prepared, sector.given_up = False, self.steps[0] == "erase"
        elif step == "erase":
            sector.records, sector.torn = [], False
        elif step == "mark" and not self.steps:
            sector.prepared, sector.given_up, sector.end = True, False, MARK_SIZE
        elif step == "header":
            sector.torn = self.steps[0] == "header"
            if not sector.torn:
                assert self.pending is not None
                self.written = Record(self.target, self.sequence + 1, self.pending)
                sector.records.append(self.written)
        elif step == "commit":
            assert self.written is not None
            self.written.committed = True  # by the first word; the others make it last
            if not self.steps:
                self.previous, self.active = self.active, self.written
                self.sequence += 1
                sector.end += OVERHEAD + len(self.written.payload)
                self.pending = None
        return True

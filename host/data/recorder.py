"""Recording: a node's ring, drained into a file.

What was read is held until the node is seen to sample as it did, then written. A node that starts again, or is made to
sample something else, begins a new session: its numbers go on behind a hole, and what was held is not kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from host.core.wire import Gap
from host.data.labels import ByMarks, Labels
from host.data.recorded import Recorded
from host.errors import NeuronError, counted
from host.node.client import NodeError
from host.node.events import Events
from host.node.identity import Strange
from host.node.link import Link, character_seconds, silence_seconds
from host.node.node import Node
from host.node.samples import RING, Changed, Ring, Sampling, Scans, extended, lost_in_words, start_sampling

CHECK_SECONDS = 2.0
"""How long scans are held, at most."""
PAUSE_SECONDS = 0.25
"""Between two looks at a node that has little to say."""
STILL_SECONDS = 5.0
"""A node that takes no scan for so long, at the lowest rate too, takes none any more."""
STARTS_MAX = 5
"""How often a node may begin anew before what it samples was seen to hold: two masters that each want other channels
would go on for ever."""

BAUDS = (19200, 38400, 57600, 115200, 230400, 460800, 921600)
"""That adapters have."""
USED = 0.95
"""Of what a line carries, what scans may take: the rest is for checks and events."""
FRAMES_CHARACTERS = (2 + 8 + 1 + 4 + 2) + (3 + 2 * RING.count + 2)
"""Of a request for scans, function 23, and of its answer."""


@dataclass(frozen=True)
class Around:
    """Only scans around events: so many before each, and from its own on."""

    before: int
    after: int


def _carried(sampling: Sampling, link: Link, baud: int, gap: Gap) -> float:
    """Scans a second that a line carries, where nothing else is asked and the node takes no time."""
    frames = (FRAMES_CHARACTERS * character_seconds(baud, link.line_format)) + 2 * silence_seconds(
        baud, link.line_format, gap
    )
    return sampling.at_once / frames


class Recorder:
    """One recording. labels: of the scans, None for none; seconds: how much is recorded, None: until it is ended;
    around: None for all scans; say: takes a line about what is lost; now: the clock, s."""

    def __init__(
        self,
        node: Node,
        file: Recorded,
        sampling: Sampling,
        *,
        labels: Labels | None = None,
        seconds: float | None = None,
        around: Around | None = None,
        say: Callable[[str], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file, self.labels = file, labels
        self._node, self._say, self._now = node, say, now
        self._names = file.channels + (labels.channels if labels else ())
        self.wanted = None if seconds is None else round(seconds * sampling.rate)
        if self.wanted == 0:
            raise NeuronError(f"--seconds {seconds:g} is less than a scan at {sampling.rate} a second")
        self._around, self._ranges = around, list[tuple[int, int]]()
        most = max(0, sampling.kept - sampling.rate // 2)  # half a second, until it is known of
        if around and around.before > most:
            raise NeuronError(
                f"the node's ring is too small for --before {around.before}: at most {most} here"
            )
        self.label = ""
        """Of the newest scan that was read."""
        self._passed = self._starts = 0
        self._held: list[tuple[Scans, list[str]]] = []
        self._gap: tuple[int, int] | None = None
        self._overrun = False
        self._events, self._events_due = Events(node), 0.0
        self._begin(sampling)

    def _begin(self, sampling: Sampling) -> None:
        identity = self._node.identity()
        self.file.session(identity.uid, identity.firmware)
        self._ring = Ring(self._node, sampling, self.file.last + 2)
        self._first, self._ranges = self._ring.next, []
        link = self._node.link
        self._answer = (5 + 2 * RING.count) * character_seconds(link.baud, link.line_format)
        self._looked = self._checked = self._moved = self._now()

    # ------------------------------------------------------------------------------------------------- how far

    @property
    def passed(self) -> int:
        """Scans that the node has taken since this was begun, and that were read or left out."""
        return self._passed + (self._ring.next if self._around is None else self._ring.head) - self._first

    @property
    def done(self) -> bool:
        return self.wanted is not None and self.passed >= self.wanted

    @property
    def kept(self) -> int:
        """Scans that have come: those in the file, and those that are held."""
        return self.file.added + sum(len(scans.samples) for scans, _ in self._held)

    @property
    def events_lost(self) -> int:
        """Events that the node no longer kept when they were asked for."""
        return self._events.lost

    def number_now(self) -> int:
        """Of the scan that the node takes now, as far as can be told from here."""
        return self._ring.head + int((self._now() - self._looked) * self._ring.sampling.rate)

    def mark(self, word: str) -> int:
        """From now on the label is this, where it comes from marks: the number of the first scan that has it."""
        assert isinstance(self.labels, ByMarks)
        number = max(self.number_now(), self._ring.next)
        self.labels.mark(number, word)
        return number

    # ---------------------------------------------------------------------------------------------------- work

    def step(self) -> float:
        """One look at the node; how many seconds to wait before the next."""
        try:
            if self._now() >= self._checked + CHECK_SECONDS:
                self._confirm()
            head = self._ring.head
            pause = self._step()
            if self._ring.head > head:
                self._moved = self._now()
            elif self._now() > self._moved + STILL_SECONDS:
                raise NodeError(
                    "the node takes no more samples, though it says that it does: has its signal ended?"
                )
            return pause
        except Changed as error:
            self._begin_anew(error)
            return 0.0

    def _step(self) -> float:
        if self._around is None:
            return self._read(None if self.wanted is None else self._ring.next + self.wanted - self.passed)
        self._note_events()
        if not self._ranges:
            self._ring.look()
            self._looked = self._now()
            return PAUSE_SECONDS
        start, stop = self._ranges[0]
        self._ring.skip(start)
        pause = self._read(stop)
        if self._ring.next >= stop:
            del self._ranges[0]
        return pause

    def _read(self, stop: int | None) -> float:
        before = self._now()
        scans = self._ring.read(stop, all_kept=self._around is not None)
        self._looked = max(
            before, self._now() - self._answer
        )  # the head is that from before the answer's way
        self._tell(scans)
        if len(scans.samples):
            words = self.labels.of(scans, self._ring.sampling) if self.labels else []
            self._held.append((scans, words))
            self.label = words[-1] if words else ""
        sampling = self._ring.sampling
        missing = sampling.at_once - (self._ring.head - self._ring.next)
        return min(PAUSE_SECONDS, max(0, missing) / sampling.rate)

    def _confirm(self) -> None:
        """What is held is good, and written."""
        self._ring.confirm()
        self._starts = 0
        self._events_due = 0.0
        self._note_events()
        self._flush()
        self._checked = self._now()

    def _flush(self) -> None:
        rows: list[tuple[int, Sequence[int], str]] = []
        for scans, words in self._held:
            raw = scans.channels(self._ring.sampling, self.file.channels).tolist()
            words = words or [""] * len(raw)
            rows += zip(scans.samples.tolist(), raw, words, strict=True)
        self.file.append(rows)
        self._held = []
        self.file.keep_news()

    def _note_events(self) -> None:
        if self._now() < self._events_due:
            return
        self._events_due = self._now() + PAUSE_SECONDS
        lost = self._events.lost
        for event in self._events.read():
            number = extended(event.sample, self._ring.head)
            self.file.events.append({**event.as_dict(), "sample": number})
            if self._around is not None:
                start, stop = max(self._first, number - self._around.before), number + self._around.after
                if start < stop:
                    self._look_at(start, stop)
                else:
                    self._say(
                        f"of {event.in_words()!r} at sample {number} nothing is kept: it was before this began"
                    )
        if lost := self._events.lost - lost:
            self._say(f"{counted(lost, 'event')} lost: more came than the node keeps")

    def _take_rest(self) -> None:
        """Of what surrounds the last events, all that the node has taken by now."""
        self._ring.look()
        head = self._ring.head
        for start, stop in self._ranges:
            self._ring.skip(start)
            while self._ring.next < min(stop, head):
                self._read(min(stop, head))
        self._ranges = []

    def _look_at(self, start: int, stop: int) -> None:
        """These scans are wanted."""
        if self._ranges and start <= self._ranges[-1][1]:
            start, stop = self._ranges[-1][0], max(stop, self._ranges[-1][1])
            del self._ranges[-1]
        self._ranges.append((start, stop))

    # ---------------------------------------------------------------------------------------------- what is lost

    def _tell(self, scans: Scans) -> None:
        """Gaps, each once it is over: those of several requests may be one."""
        for first, count in scans.gaps:
            if self._gap and sum(self._gap) == first:
                self._gap = self._gap[0], self._gap[1] + count
            else:
                self._end_gap()
                self._gap, self._overrun = (first, count), scans.overrun
        if self._gap and sum(self._gap) != self._ring.next:
            self._end_gap()

    def _end_gap(self) -> None:
        if self._gap:
            self.file.gaps.append(self._gap)
            self._say(lost_in_words(self._gap, self.file.rate) + self._remedy() * self._overrun)
            self._gap = None

    def doubts(self) -> list[str]:
        """That scans will be lost, where that is known beforehand: the line carries fewer than the node takes, and the
        ring does not last until the end. By the characters and silences of the line alone: it may carry less."""
        link, sampling = self._node.link, self._ring.sampling
        if self._around or not link.timed:
            return []
        carried, rate = _carried(sampling, link, link.baud, link.gap), sampling.rate
        full = sampling.kept / (rate - carried) if rate > carried else None
        if full is None or (self.wanted is not None and self.wanted / carried <= full):
            return []
        ways = [
            f"--new-baud {baud}, then --baud {baud}"
            for baud in BAUDS
            if baud > link.baud and USED * _carried(sampling, link, baud, link.gap) >= rate
        ][:1]
        if USED * _carried(sampling, link, link.baud, Gap.TRUE_CHARACTERS) >= rate:
            ways.insert(0, "--new-gap true")
        enough = f"{' or '.join(ways)} (host.settings), " if ways else "fewer channels, "
        return [
            f"{link.baud} baud carry {carried:.0f} scans of {counted(sampling.width, 'word')} a second at most, not "
            f"{rate}: the first are lost within {full:.0f} s; {enough}or --rate {int(USED * carried)} would do"
        ]

    def _remedy(self) -> str:
        link = self._node.link
        shorter = silence_seconds(link.baud, link.line_format, Gap.TRUE_CHARACTERS)
        has_shorter = silence_seconds(link.baud, link.line_format, link.gap) > shorter
        silence = "the node's setting --new-gap true, " * has_shorter
        return f": the line was too slow; {silence}more --baud, fewer channels or a lower --rate help"

    def _drop(self, error: Changed) -> None:
        """What is held is of a node that no longer samples so."""
        held = [number for scans, _ in self._held for number in scans.samples[[0, -1]].tolist()]
        self._held = []
        if held:
            self._end_gap()
            self._gap, self._overrun = (held[0], held[-1] + 1 - held[0]), False
            self._say(f"{error}; what came since it was last seen to sample as before is not kept")
        else:
            self._say(str(error))
        self._end_gap()

    def _begin_anew(self, error: Changed) -> None:
        self._drop(error)
        self._starts += 1
        if self._starts == STARTS_MAX:
            raise NodeError(f"{error}, {STARTS_MAX} times in a row: is another master at work?")
        self._passed = self.passed
        self._begin(start_sampling(self._node, self._names, self.file.rate))

    def finish(self, *, ask: bool) -> None:
        """The end: all that was got is in the file. ask: the node can be asked whether it is good."""
        try:
            if ask:
                self._node.doubt()  # a request may be under way
                self._confirm()
                if self._ranges:
                    self._take_rest()
                    self._confirm()
            else:
                self._flush()
        except Changed as error:
            self._drop(error)
        except (NodeError, Strange) as error:
            self._say(f"{error}: the last samples are kept as they came")
            self._flush()
        finally:
            self._end_gap()
            self.file.close()

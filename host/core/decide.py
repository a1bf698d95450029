"""From what a model says to what the node does: hysteresis, n of the last m, delays, a minimum hold, a latch.
Twin of firmware/core/decide.c, bit for bit.

    output -> hysteresis -> condition -> n of the last m -> vote -> on-delay, off-delay, hold -> value -> latch -> on

Between two inferences the vote stands as it is, so that the decision is a function of time: a change comes at the very
millisecond at which its delay and the hold are over, and a tick only shows it before the next inference does. What the
node decides thus does not depend on when, or whether, its main loop comes round.

Time is in ms, modulo 2**32. It never goes back, and calls are less than 2**31 ms apart.
"""

from __future__ import annotations

from dataclasses import dataclass

MASK_32 = (1 << 32) - 1


@dataclass(frozen=True)
class Decision:
    """How a model's output becomes the node's decision; by default it is the condition itself.

    threshold_off:       int16 at the scale of the output; at most Model.led_threshold, above which it is on. None: that
                         one. Nothing to a model of LED_CLASS.
    votes, of:           as many of the last `of` conditions make it on; 1 <= votes <= of <= 32
    on_delay, off_delay: ms that the vote must stand before the value follows; below 2**31
    hold:                ms for which the value stays as it is after a change; below 2**31
    latch:               once on, on until acknowledged
    before:              the decision until the first inference
    """

    threshold_off: int | None = None
    votes: int = 1
    of: int = 1
    on_delay: int = 0
    off_delay: int = 0
    hold: int = 0
    latch: bool = False
    before: bool = False


AT_ONCE = Decision()
"""The decision is the condition as it is."""


def decide_hysteresis(before: bool, output: int, on: int, off: int) -> bool:
    """Whether an output is on: above `on` yes, at most `off` no, between them as it was `before`. At the output's
    scale, off <= on."""
    return output > on or (before and output > off)


class Decider:
    """The state of one decision; every method answers the decision."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._history = self._since = self._changed = 0
        self._begun = self._holding = False
        self.condition = self._vote = self._value = decision.before
        self.latched = False

    @property
    def on(self) -> bool:
        """The decision as it stands."""
        return self._value or self.latched

    def tick(self, now: int) -> bool:
        """Time passes without an inference."""
        decision = self._decision
        stood, rested = (now - self._since) & MASK_32, (now - self._changed) & MASK_32
        if self._holding and rested < decision.hold:
            return self.on

        delay = decision.on_delay if self._vote else decision.off_delay
        if self._vote != self._value and stood >= delay:
            late = stood - delay
            if self._holding:
                late = min(late, rested - decision.hold)
            self._value = self._vote
            self._changed = (now - late) & MASK_32
            self._holding = late < decision.hold
            self.latched = self.latched or (decision.latch and self._value)
        else:
            self._holding = False
        return self.on

    def step(self, condition: bool, now: int) -> bool:
        """An inference at `now` gave this condition."""
        decision = self._decision
        self.tick(now)
        self.condition = condition
        self._history = (self._history << 1 | condition) & MASK_32
        vote = (self._history & ((1 << decision.of) - 1)).bit_count() >= decision.votes
        if vote != self._vote or not self._begun:
            self._since = now
        self._vote = vote
        self._begun = True
        return self.tick(now)

    def acknowledge(self) -> bool:
        """End a latch, unless what latched it is still on."""
        self.latched = self.latched and self._value
        return self.on

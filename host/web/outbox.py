"""What waits for a broker: of each topic the newest state, and so many messages of which each counts."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

MESSAGES_WAITING = 1000


@dataclass(frozen=True)
class Message:
    topic: str
    payload: str
    retain: bool = True


@dataclass
class _State:
    """urgent: what may not wait when it differs from what was said before; at: when that was, or when this is due."""

    payload: str
    urgent: object
    at: float


class Outbox:
    """lost: messages that did not fit, since the start: the oldest go. Times are those of one clock, in seconds."""

    def __init__(self, most: int = MESSAGES_WAITING) -> None:
        self._most = most
        self._said: dict[str, _State] = {}
        self._states: dict[str, _State] = {}
        self._messages: deque[Message] = deque()
        self.lost = 0

    def __len__(self) -> int:
        return len(self._states) + len(self._messages)

    @property
    def waiting(self) -> int:
        """Messages, without states."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        return len(self._messages) >= self._most

    def state(self, topic: str, payload: str, now: float, urgent: object = None, every: float = 0.0) -> None:
        """How a topic stands: said if it is news. Where `urgent` is what it was, so many seconds after what was said
        before."""
        said = self._said.get(topic)
        if said is not None and said.payload == payload:
            self._states.pop(topic, None)
            return
        waits = said is not None and said.urgent == urgent
        self._states[topic] = _State(payload, urgent, said.at + every if said and waits else now)

    def message(self, message: Message) -> None:
        if self.full:
            self._messages.popleft()
            self.lost += 1
        self._messages.append(message)

    def again(self) -> None:
        """All states are to be said once more: who listened may have forgotten them."""
        every = self._said | self._states
        self._states = {topic: _State(one.payload, one.urgent, -math.inf) for topic, one in every.items()}
        self._said = {}

    def due(self) -> float:
        """When there is something to be taken."""
        if self._messages:
            return -math.inf
        return min((one.at for one in self._states.values()), default=math.inf)

    def take(self, now: float, room: int) -> list[Message]:
        """So many at most: states that are due, which people act on, then messages in their order."""
        topics = [topic for topic, one in self._states.items() if one.at <= now][:room]
        taken = []
        for topic in topics:
            one = self._states.pop(topic)
            self._said[topic] = _State(one.payload, one.urgent, now)
            taken.append(Message(topic, one.payload))
        while self._messages and len(taken) < room:
            taken.append(self._messages.popleft())
        return taken

"""What waits for a broker: the newest state of each topic, and so many messages."""

from __future__ import annotations

import math

from host.web.outbox import Message, Outbox


def taken(outbox: Outbox, now: float = 0.0, room: int = 100) -> list[tuple[str, str]]:
    return [(message.topic, message.payload) for message in outbox.take(now, room)]


def test_of_a_state_only_the_newest_waits() -> None:
    outbox = Outbox()
    for payload in "abc":
        outbox.state("lamp", payload, 0)
    assert taken(outbox) == [("lamp", "c")]
    assert taken(outbox) == []


def test_what_is_no_news_is_not_said() -> None:
    outbox = Outbox()
    outbox.state("lamp", "lit", 0)
    assert len(taken(outbox)) == 1
    outbox.state("lamp", "lit", 1)
    assert not len(outbox)
    outbox.state("lamp", "dark", 1)
    outbox.state("lamp", "lit", 1)  # and is again what was said
    assert not len(outbox)


def test_what_may_wait_waits_and_what_is_urgent_takes_it_along() -> None:
    outbox = Outbox()

    def say(payload: str, lamp: bool, now: float) -> None:
        outbox.state("node", payload, now, lamp, 1.0)

    say("dark 1", False, 0)
    assert taken(outbox, 0) == [("node", "dark 1")]
    say("dark 2", False, 0.25)
    assert outbox.due() == 1.0
    assert taken(outbox, 0.5) == []
    say("lit 3", True, 0.5)
    assert taken(outbox, 0.5) == [("node", "lit 3")]
    say("lit 4", True, 0.75)
    assert outbox.due() == 1.5
    say("lit 5", True, 0.9)
    assert taken(outbox, 1.5) == [("node", "lit 5")]


def test_messages_keep_their_order_and_the_oldest_do_not_fit() -> None:
    outbox = Outbox(3)
    for number in range(5):
        outbox.message(Message("event", str(number)))
    assert outbox.full
    assert outbox.lost == 2
    assert taken(outbox, room=2) == [("event", "2"), ("event", "3")]
    assert not outbox.full
    assert outbox.waiting == 1
    assert outbox.due() == -math.inf


def test_states_go_ahead_of_messages() -> None:
    outbox = Outbox()
    outbox.message(Message("event", "1", retain=False))
    outbox.state("lamp", "lit", 0)
    outbox.state("lamp 2", "lit", 0)
    assert [message.retain for message in outbox.take(0, 1)] == [True]
    assert taken(outbox, room=2) == [("lamp 2", "lit"), ("event", "1")]


def test_who_has_forgotten_is_told_all_states_once_more_in_their_order() -> None:
    outbox = Outbox()
    outbox.state("status", "online", 0)
    outbox.state("lamp", "dark", 0, False, 10)
    assert len(taken(outbox)) == 2
    outbox.state("lamp", "darker", 0, False, 10)
    outbox.again()
    assert taken(outbox) == [("status", "online"), ("lamp", "darker")]
    outbox.state("lamp", "darker", 0, False, 10)
    assert not len(outbox)

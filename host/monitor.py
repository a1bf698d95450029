"""Watch a node that decides by itself: its channels, features, inputs, outputs, decision, lamp and events.

python -m host.monitor PORT             a page, drawn anew ten times a second
python -m host.monitor PORT --json      a line a window: sample, features, inputs, outputs, decision, led, and whom
                                        it obeys: keyed, locked, trial_left, model_hash
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, positive, program
from host.errors import NeuronError, command

if TYPE_CHECKING:
    from rich.console import Console

    from host.node.watching import Watching

LOOKS_A_SECOND = 10
"""As many as 115,200 baud carry, whatever the model (tests/test_monitor.py counts them)."""


def looks(seconds: float | None, period: Callable[[], float]) -> Iterator[None]:
    """One after the other, `period()` apart or as soon as the last one is done, until the time is over."""
    begun = due = time.monotonic()
    while seconds is None or due - begun < seconds:
        yield
        due = max(due + period(), time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def tell_lost(watching: Watching, told: int) -> int:
    """Say each kind of loss when it is first seen; how much it came to is said at the end. told: how many kinds were
    said; those that are now."""
    from host.show.live import lost_in_words
    from host.show.terminal import note

    lost = lost_in_words(watching)
    if len(lost) > told:
        note(lost)
    return len(lost)


def between_looks() -> float:
    return 1 / LOOKS_A_SECOND


def as_json(watching: Watching, seconds: float | None) -> None:
    """A line a window."""
    import json

    def period() -> float:
        """Of the model that runs now; one that decides seldom may be followed by another."""
        return min((watching.hop_seconds or 1.0) / 4, between_looks())

    told = 0
    for _ in looks(seconds, period):
        hop = watching.hop()
        if watching.model is None:
            raise NeuronError(f"the node runs no model: deploy one first ({program('train')} --deploy PORT)")
        if hop is not None:
            print(json.dumps(hop.as_dict() | watching.trust()), flush=True)
        told = tell_lost(watching, told)


def as_lines(watching: Watching, seconds: float | None) -> None:
    """A line a look that has something new, where no terminal is."""
    from host.show.live import as_line, in_words

    told = 0
    for _ in looks(seconds, between_looks):
        look = watching.look()
        for event in look.events:
            print(in_words(event), flush=True)
        if look.model is not None and look.hop is not None:
            print(as_line(look.model, look.hop, look.states), flush=True)
        told = tell_lost(watching, told)


def as_page(watching: Watching, out: Console, seconds: float | None) -> None:
    from rich.live import Live

    from host.show.live import Page
    from host.show.terminal import can_draw

    out.soft_wrap = False  # a page that is drawn over must know its lines
    page = Page(drawn=can_draw())
    with Live(console=out, auto_refresh=False) as live:
        for _ in looks(seconds, between_looks):
            live.update(page.of(watching.look(), watching), refresh=True)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("monitor"),
        description="Watch a node: its channels, what its model makes of them, what it decides, and\n"
        "what happens, until Ctrl-C. The node goes on as before, but that a watchdog sees\n"
        "a master.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument("--seconds", type=positive, metavar="S", help="end after so long")
    add_json_option(parser, "window")
    add_line_options(parser)
    args = parser.parse_args(argv)
    from host.node.watching import Watching
    from host.show.live import lost_in_words
    from host.show.terminal import console, warn

    with line_of(args).open(args.port) as node:
        watching = Watching(node)
        out = None if args.json else console()
        try:
            if out is None:
                as_json(watching, args.seconds)
            elif out.is_terminal:
                as_page(watching, out, args.seconds)
            else:
                as_lines(watching, args.seconds)
        except KeyboardInterrupt:
            pass
        finally:
            warn(lost_in_words(watching))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Read and change a node's settings. It keeps them over a loss of power.

python -m host.settings PORT                                         what is in force
python -m host.settings PORT --new-address 7 --new-baud 115200
python -m host.settings PORT --restart                               start the node again
python -m host.settings PORT --watchdog 5 --safe off                 5 s without a master put the lamp out
python -m host.settings PORT --lock 600                              10 min after power-on nobody changes it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP, SIMULATED
from host.cli.key import add_key_options
from host.cli.line import Deed, Line, add_line_options, line_of
from host.cli.parser import Parser, add_json_option, number, program, whole
from host.core.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    DEBOUNCE_MAX,
    FORMATS,
    GAPS,
    Reason,
    Safe,
    WatchdogFor,
)
from host.errors import command

if TYPE_CHECKING:
    from host.node.line import Settings


WATCHDOG_MAX = 6553
GROUP_MAX = LOCK_MAX = 0xFFFF
YES_NO = {"yes": True, "no": False}
WATCHES = {code.name.lower(): code for code in WatchdogFor}
SAFES = {code.name.lower(): code for code in Safe}
LAMP = {Safe.OFF: "the lamp goes out", Safe.ON: "the lamp lights", Safe.HOLD: "the lamp stays as it is"}
"""Of what a node does when it misses its master; Safe.KEEP: nothing, it only says so."""


def watchdog(text: str) -> int:
    """Option type: seconds, as the tenths that a node counts; off is 0."""
    if text == "off":
        return 0
    tenths = round(10 * number(text))
    if not 1 <= tenths <= 10 * WATCHDOG_MAX or abs(tenths - 10 * number(text)) > 1e-6:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither off nor seconds of 0.1..{WATCHDOG_MAX} in tenths"
        )
    return tenths


def or_word(word: str, highest: int, what: str) -> Callable[[str], int]:
    """Option type: a whole number of 1..highest, or the word for 0."""

    def take(text: str) -> int:
        if text == word:
            return 0
        try:
            return whole(1, highest)(text)
        except argparse.ArgumentTypeError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither {word} nor {what} of 1..{highest}"
            ) from None

    return take


def _guards(settings: Settings) -> str:
    """What keeps others from changing the node, as far as it is not as it left the factory."""
    group = f"; group {settings.group}" if settings.group else ""
    lock = f"; locked {settings.lock} s after power-on" if settings.lock else ""
    return group + lock + "; commands by broadcast are " + ("obeyed" if settings.broadcasts else "refused")


def _describe(settings: Settings) -> str:
    kept = settings.as_dict()
    line = f"address {kept['address']}, {kept['baud']} baud {kept['line_format']}, gap {kept['gap']}"
    told = f"; watchdog off; debounce {settings.debounce} ms"
    if settings.watchdog:
        missed = "write" if settings.watchdog_for is WatchdogFor.WRITE else "frame"
        does = LAMP.get(settings.safe, "the lamp follows the model as before")
        told = (
            f"; watchdog: after {kept['watchdog']} s without a {missed} to it {does}; "
            f"debounce {settings.debounce} ms"
        )
    return line + told + _guards(settings)


def _confirm(line: Line, port: str, before: Settings, wanted: Settings) -> None:
    """See that the node has taken the settings that it was told to keep."""
    from dataclasses import replace

    from host.node.client import NoAnswer, NodeError
    from host.node.identity import in_words
    from host.node.line import read_settings
    from host.node.link import SERVED

    # Behind a serial server, whose own settings decide, the line is opened as before.
    served = port.startswith(SERVED)
    baud, spoken = (line.baud, line.line_format) if served else (wanted.baud, wanted.line_format)
    try:
        with replace(line, address=wanted.address, baud=baud, line_format=spoken).open(port) as node:
            identity = node.wait_idle()
            if read_settings(node) == wanted:
                return
    except NoAnswer:
        if before == wanted:
            raise
        with line.open(port) as node:
            identity = node.wait_idle()
    why = "" if identity.reason is Reason.NONE else f": {in_words(identity.reason, identity.detail)}"
    raise NodeError(f"the node did not take the new settings{why}; it still has the old ones")


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("settings"),
        description="Show the settings that are in force in a node, or change some: --address and\n"
        "--baud say how it speaks now, --new-... how it shall speak from now on. What is\n"
        "not named stays as it is in force.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument("--new-address", type=whole(ADDRESS_MIN, ADDRESS_MAX), metavar="N")
    parser.add_argument("--new-baud", type=whole(BAUD_MIN, BAUD_MAX), metavar="N")
    parser.add_argument("--new-format", choices=FORMATS, help="character format")
    parser.add_argument("--new-gap", choices=GAPS, help="silence that ends a frame")
    parser.add_argument(
        "--watchdog",
        type=watchdog,
        metavar="S|off",
        help=f"seconds without a master, 0.1..{WATCHDOG_MAX}, until BUS_LOST is set and the lamp goes as --safe says",
    )
    parser.add_argument(
        "--watchdog-for", choices=WATCHES, help="what it waits for: any frame to the node, or a write"
    )
    parser.add_argument(
        "--safe",
        choices=SAFES,
        help="the lamp without a master: off, on, hold as it was, or keep to follow the model",
    )
    parser.add_argument(
        "--debounce",
        type=whole(0, DEBOUNCE_MAX),
        metavar="MS",
        help=f"milliseconds that a digital channel must stand to count, 0..{DEBOUNCE_MAX}",
    )
    parser.add_argument(
        "--group",
        type=or_word("none", GROUP_MAX, "a group"),
        metavar="N|none",
        help=f"of nodes that obey one signed order together, 1..{GROUP_MAX}",
    )
    parser.add_argument(
        "--lock",
        type=or_word("off", LOCK_MAX, "seconds"),
        metavar="S|off",
        help="commands and settings are refused from so many seconds after power-on, unless its pin was held then",
    )
    parser.add_argument(
        "--broadcasts", choices=YES_NO, help="whether commands and settings are obeyed by broadcast too"
    )
    parser.add_argument(
        "--restart", action="store_true", help="start the node again, as after a loss of power"
    )
    add_line_options(parser)
    add_key_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    line = line_of(args)
    import json
    from contextlib import suppress
    from dataclasses import replace

    from host.node.client import NoAnswer
    from host.node.line import read_settings, read_unsaved, save_settings
    from host.node.restarting import restart
    from host.show.terminal import warn

    wanted = {
        "address": args.new_address,
        "baud": args.new_baud,
        "line_format": FORMATS.get(args.new_format),
        "gap": GAPS.get(args.new_gap),
        "watchdog": args.watchdog,
        "watchdog_for": WATCHES.get(args.watchdog_for),
        "safe": SAFES.get(args.safe),
        "debounce": args.debounce,
        "group": args.group,
        "lock": args.lock,
        "broadcasts": YES_NO.get(args.broadcasts),
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    if changes and args.restart:
        parser.error("choose one: --restart, or settings to change, which are in force at once")
    with line.open(args.port, Deed.CHANGE if changes or args.restart else Deed.READ) as node:
        if args.restart:
            restart(node)
        settings = read_settings(node)
        unsaved = {} if changes else read_unsaved(node, settings)
        said = node.identity().warnings()
        before, settings = settings, replace(settings, **changes)
        if changes:
            # The answer may be lost, and the node speaks the new settings then: how it speaks tells.
            with suppress(*([] if args.port in SIMULATED else [NoAnswer])):
                save_settings(node, settings)
    if changes and args.port not in SIMULATED:
        _confirm(line, args.port, before, settings)
    if args.json:
        print(json.dumps({**settings.as_dict(), "unsaved": unsaved}))
    else:
        print(_describe(settings))
        if unsaved:
            written = ", ".join(f"{name} {value}" for name, value in unsaved.items())
            said.append(
                f"written by a master, but not saved and not in force: {written}; any change drops it"
            )
        warn(said)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A simulated node that runs until Ctrl-C and shows its lamp.

python -m host.sim [--link PATH] [--tcp PORT] [--flash FILE] [--nodes 1,2,.. | --fresh N] [--pace] [--present]
                   [--signal FILE.csv|CHANNEL=GENERATOR,..] [--once] [--fast] [--hops]

Type `cut 1 12` there, and the power of node 1 fails at the 12th word that it then keeps; `cut 1 0`: at once.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from host.boards.usage import generators_help
from host.cli.parser import Parser, file_name, program, whole
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN, DEFAULT_ADDRESS, SAMPLE_WORDS
from host.errors import NeuronError, command, counted

if TYPE_CHECKING:
    from host.boards.signals import Signal
    from host.boards.simulated import Sim


def _node_list(text: str) -> list[int]:
    try:
        nodes = [whole(ADDRESS_MIN, ADDRESS_MAX)(item) for item in text.split(",")]
    except argparse.ArgumentTypeError:
        nodes = []
    from host.boards.simulated import NODES_MAX

    if len(nodes) > NODES_MAX:
        raise argparse.ArgumentTypeError(f"{len(nodes)} nodes, a simulated bus takes up to {NODES_MAX}")
    if not nodes or len(set(nodes)) != len(nodes):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of addresses {ADDRESS_MIN}..{ADDRESS_MAX}, like 1,2"
        )
    return nodes


def _fresh(text: str) -> int:
    from host.boards.simulated import NODES_MAX

    return whole(1, NODES_MAX)(text)


def _signal(arguments: Sequence[str]) -> Signal:
    """What --signal says, of a file or of generators."""
    from host.boards.signals import generated, recorded
    from host.show.terminal import note

    if len(arguments) == 1 and (os.path.isfile(arguments[0]) or arguments[0].endswith(".csv")):
        from host.data.recording import read_recording

        run = read_recording(arguments[0])
        signal = recorded(run.rate, run.channels, run.samples, run.raw, arguments[0])
        if signal.shortened:
            note(
                [
                    f"{counted(signal.shortened, 'hole')} of more than {SAMPLE_WORDS} samples in {arguments[0]}, as a "
                    "pause or a restart leaves, played as a short one, over which no window reaches either"
                ]
            )
        return signal
    return generated([spec for argument in arguments for spec in argument.split(",")])


def _say(text: str) -> None:
    """Print a line as one piece: two threads speak."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Shown:
    """The lines of a simulation, for people. They go by a node's name, people by the address that is in force."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._uids: dict[str, str] = {}

    def __call__(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        name, _, more = rest.partition(" ")
        node = self._uids.get(name) or f"node {self._addresses.get(name, name)}"
        if kind == "uid":
            self._uids[name] = f"node {more}"
        elif kind == "led":
            _say(f"{node}   LED {'(*) on' if more == 'on' else '( ) off'}")
        elif kind == "node":
            _say(f"{node}   listens at {more}")
        elif kind == "address":
            self._addresses[name] = more
            _say(f"{node}   has address {more} from now on")
        elif kind == "bus":
            _say(f"bus      {rest}")
        elif kind == "tcp":
            _say(f"bus      socket://{rest}")
        elif kind == "hop":
            _say(f"hop {self._addresses.get(name, name)} {more}")
        elif kind == "power":
            _say(f"{node}   {'has power again' if more == 'on' else 'has lost its power'}")
        elif kind == "cut":
            if more != "0":
                _say(f"{node}   loses its power at word {more} of its flash from now")
        elif kind == "ended":
            _say(f"{node}   its signal has ended")
        elif kind == "note":
            print(f"note: {rest}", file=sys.stderr)
        else:
            _say(f"{kind}     {rest}")


def _typed() -> str:
    """What somebody has typed. Nothing is read in the background, where that would stop us."""
    with suppress(ValueError, AttributeError, OSError):  # no stream, or no terminal of ours
        terminal = sys.stdin.fileno()
        if os.tcgetpgrp(terminal) == os.getpgrp() and select.select([terminal], [], [], 0)[0]:
            return os.read(terminal, 256).decode(errors="replace")
    return ""


def _obey(sim: Sim, line: str) -> None:
    """Cut the power as the line says; what it does not say as it should is told."""
    match line.split():
        case ["cut", number, words] if number.isdecimal() and words.isdecimal():
            try:
                sim.cut(int(number), int(words))
            except NeuronError as error:
                print(f"note: {error}", file=sys.stderr)
        case [_, *_]:
            print(f"note: {line.strip()!r} is not understood; it is: cut NODE WORDS", file=sys.stderr)


def _require_reader() -> None:
    """BrokenPipeError where standard output is a pipe that nobody reads any more, though nothing is to be said."""
    with suppress(ValueError, AttributeError):  # a stream without a number, a system without poll
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if poll.poll(0):
            raise BrokenPipeError


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("sim"),
        description="Run a simulated node until Ctrl-C and show its lamp. Every command of neuron485,\n"
        "and any Modbus client, can talk to it on the port that it prints. Type\n"
        "`cut 1 12`, and the power of node 1 fails at the 12th word that it then keeps;\n"
        "`cut 1 0`: at once.",
        epilog="generators, in raw values of 0..4095, of a digital channel 0 and 1:\n" + generators_help(),
    )
    parser.add_argument(
        "--link", type=file_name, metavar="PATH", help="make PATH a symbolic link to the serial port"
    )
    parser.add_argument(
        "--tcp", type=whole(0, 65535), metavar="PORT", help="also serve 127.0.0.1:PORT (0: any)"
    )
    parser.add_argument(
        "--flash", type=file_name, metavar="FILE", help="keep the flash in FILE: the model outlives a restart"
    )
    many = parser.add_mutually_exclusive_group()
    many.add_argument(
        "--nodes", type=_node_list, default=[DEFAULT_ADDRESS], metavar="1,2,..", help="addresses on one bus"
    )
    many.add_argument(
        "--fresh",
        type=_fresh,
        metavar="N",
        help=f"N nodes on one bus, as from the factory all at address {DEFAULT_ADDRESS}; host.scan tells them apart",
    )
    parser.add_argument("--pace", action="store_true", help="let characters and erases take their real time")
    parser.add_argument(
        "--present", action="store_true", help="someone is at each board at power-on, as a first key needs it"
    )
    senses = parser.add_argument_group("senses")
    senses.add_argument(
        "--signal",
        type=file_name,
        action="append",
        metavar="FILE.csv|a0=sine:50,..",
        help="what the channels see, again and again: a recording of host.record, or generators as below; it begins "
        "whenever a node begins to sample; where its setting DEBOUNCE is not 0, a recording's levels, which were "
        "debounced as they were recorded, are so once more",
    )
    senses.add_argument(
        "--once", action="store_true", help="play the signal once; then nothing more is sampled"
    )
    senses.add_argument(
        "--fast",
        action="store_true",
        help="play it once, by no clock but as fast as the node decides, then end; it waits for a model that senses",
    )
    senses.add_argument(
        "--hops", action="store_true", help="a line for each window that a node decides: hop ADDRESS {...}"
    )
    args = parser.parse_args(argv)
    if (args.once or args.fast) and not args.signal:
        parser.error("--once and --fast play a signal: give --signal")
    from host.boards.simulated import INTERRUPT_SECONDS, simulate

    with simulate(
        nodes=range(1, args.fresh + 1) if args.fresh else args.nodes,
        link=args.link,
        tcp=args.tcp,
        flash=args.flash,
        pace=args.pace,
        present=args.present,
        fresh=args.fresh is not None,
        signal=_signal(args.signal) if args.signal else None,
        once=args.once,
        fast=args.fast,
        hops=args.hops,
        on_line=Shown(),
    ) as sim:
        _say("         Ctrl-C ends it")
        while sim.running:
            sim.wait(lambda sim: False, timeout=INTERRUPT_SECONDS)
            _obey(sim, _typed())
            _require_reader()
    if args.fast and sim.exit_status == 0:
        return 0
    raise NeuronError("the simulation ended by itself; its last line says why")


if __name__ == "__main__":
    raise SystemExit(main())

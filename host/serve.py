"""Own a line, and offer it to all: a page in the browser, HTTP, MQTT and Prometheus.

python -m host.serve sim                          a simulated node, and the page at http://127.0.0.1:8485
python -m host.serve /dev/ttyUSB0                 all nodes that are found on a line
python -m host.serve /dev/ttyUSB0 --fleet fleet.toml          those of a file, by their names there
python -m host.serve /dev/ttyUSB0 --mqtt mqtt://broker        and all of it over MQTT, for Home Assistant and others
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from host.boards.opening import SIMULATED, open_port
from host.cli.broker import broker_of
from host.cli.bus import bus_of
from host.cli.key import key_of
from host.cli.serving import parse, require_libraries, token_of
from host.core.wire import DEFAULT_ADDRESS
from host.errors import command
from host.show.terminal import console, note
from host.start import ends_raise

if TYPE_CHECKING:
    import argparse

    from host.node.fleet import Fleet
    from host.node.link import Link
    from host.web.gateway import Cut
    from host.web.hub import Hub
    from host.web.owner import Owner

SIGNAL = ["pump:5"]
"""What a simulated node hears: a pump that is off, runs, and runs with a worn bearing, 5 s each, as in lesson 7."""
SIMULATED_TIMEOUT = 1.0
"""Seconds for an answer of a node that is a process, as late as this computer is busy."""


def _waits(timeout: float | None, simulated: bool, link: Link) -> tuple[float, float]:
    """Seconds for an answer to a glance, and in a search."""
    from host.node.scanning import SIMULATED_SECONDS, WAIT_SECONDS

    if timeout is not None:
        return timeout, timeout
    if simulated:
        return 1.0, SIMULATED_SECONDS
    return (0.1, WAIT_SECONDS) if link.timed else (0.3, SIMULATED_SECONDS)


def _owner(
    args: argparse.Namespace, hub: Hub, number: int, given: str, opened: str, fleet: Fleet | None
) -> Owner:
    """Of one of the ports: given, as it was typed, and what is opened for it."""
    from dataclasses import replace

    from host.core.hashes import hash_of
    from host.web.owner import Owner

    simulated = given in SIMULATED
    bus = bus_of(args, fleet.baud if fleet else None, fleet.line_format if fleet else None)
    if simulated and bus.timeout is None:
        bus = replace(bus, timeout=SIMULATED_TIMEOUT)
    members = [(one.uid, one.name, one.address) for one in fleet.members] if fleet else None
    images = {hash_of(one.image): one.image for one in fleet.members if one.image} if fleet else {}
    return Owner(
        hub,
        str(number),
        given,
        partial(bus.open, opened),
        members=members,
        waits=partial(_waits, args.timeout, simulated),
        simulated=simulated,
        images=images,
    )


class Power:
    """Tells the owner of a simulated line, once there is one, of its power."""

    owner: Owner | None = None

    def __call__(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "power" and self.owner is not None:
            self.owner.power(rest.endswith(" on"))


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    require_libraries(args.mqtt is not None)
    from host.node.fleet import read_fleet
    from host.web.gateway import Gateway
    from host.web.guard import LOOPBACK, Rules
    from host.web.hub import Hub
    from host.web.serving import listening, serve
    from host.web.telling import telling

    key = key_of(args)
    signer = key.open() if key else None
    broker = broker_of(args)
    fleets = [read_fleet(path) if path else None for path in args.fleet or [None] * len(args.ports)]
    hub, token = Hub(), token_of(args.token_file)
    with ExitStack() as stack:
        stack.enter_context(ends_raise())
        listener = stack.enter_context(listening(args.http.host, args.http.port))
        port = listener.getsockname()[1]
        owners: list[Owner] = []
        cuts: dict[str, Cut] = {}
        for number, (given, fleet) in enumerate(zip(args.ports, fleets, strict=True), 1):
            power = Power()
            line = stack.enter_context(open_port(given, signal=SIGNAL, on_line=power))
            owners.append(_owner(args, hub, number, given, line.port, fleet))
            power.owner = owners[-1]
            if line.sim:
                cuts[str(number)] = partial(line.sim.cut, DEFAULT_ADDRESS)
        gateway = Gateway(hub, owners, signer, cuts)
        rules = Rules(token, port, args.allow_remote, None if args.allow_remote else frozenset(LOOPBACK))
        out = console()
        known = f"the token, of {args.token_file}," if args.token_file else "the token"
        out.print(f"the page:  {args.http.url(port)}{'' if args.token_file else f'#token={token}'}")
        out.print(f"           {known} lets whoever has it change nodes; without it the page only shows them")
        stack.enter_context(telling(hub, lambda text: note([text])))
        if broker:
            from host.web.mqtt import Bridge

            stack.enter_context(Bridge(gateway, broker).running())
        stack.enter_context(gateway.running())
        serve(gateway, rules, listener)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The options of host.serve."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from host.boards.opening import PORT_HELP
from host.cli.broker import add_broker_options
from host.cli.bus import add_bus_options
from host.cli.key import add_key_options, first_line
from host.cli.parser import Parser, file_name, program, spoken
from host.errors import NeuronError

LIBRARIES = ("prometheus_client", "starlette", "uvicorn")
TOKEN_BYTES, TOKEN_MIN = 24, 16
TOKEN = re.compile(rf"[A-Za-z0-9._~-]{{{TOKEN_MIN},}}")
EXAMPLES = """\
examples:
  python -m host.serve sim                     a simulated node, to learn with
  python -m host.serve /dev/ttyUSB0 --fleet fleet.toml    a line, by its names
  python -m host.serve /dev/ttyUSB0 /dev/ttyUSB1 --mqtt mqtt://broker.local
  python -m host.serve /dev/ttyUSB0 --http 0.0.0.0:8485 --allow-remote
"""


class Http(NamedTuple):
    """Where to listen; port 0: any that is free."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether only this computer can come."""
        from host.web.guard import LOOPBACK

        return self.named in LOOPBACK

    @property
    def named(self) -> str:
        """The host as it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def url(self, port: int) -> str:
        return f"http://{self.named}:{port}/"


USUAL = Http("127.0.0.1", 8485)


def http_address(text: str) -> Http:
    """Option type: HOST:PORT."""
    host, colon, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT like {USUAL.host}:{USUAL.port}")
    return Http(host, int(port))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("serve"),
        usage="%(prog)s [options] PORT [PORT ...]",
        description="Own one line or several, poll their nodes, and offer them to all: a page in the\n"
        "browser, HTTP, MQTT, Prometheus. Until Ctrl-C.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument("ports", nargs="+", metavar="PORT", help=f"{PORT_HELP}; several: a line each")
    parser.add_argument(
        "--http",
        type=http_address,
        default=USUAL,
        metavar="HOST:PORT",
        help=f"where the page is (default {USUAL.host}:{USUAL.port})",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let other computers come, who need the token to read too: --http 0.0.0.0:8485 --allow-remote",
    )
    parser.add_argument(
        "--token-file",
        type=file_name,
        metavar="FILE",
        help="its first line is the token, for those who cannot read what is printed, as Prometheus (default: a new "
        "one at every start)",
    )
    parser.add_argument(
        "--fleet",
        type=file_name,
        action="append",
        metavar="FILE",
        help="the nodes of a line, as host.scan --save writes them (default: whoever is found); of several lines one "
        "each, in their order",
    )
    add_broker_options(parser)
    add_bus_options(parser)
    add_key_options(parser)
    args = parser.parse_args(argv)
    if not args.http.local and not args.allow_remote:
        parser.error(
            f"--http {args.http.host} is open to other computers: add --allow-remote if they may come"
        )
    if args.fleet and len(args.fleet) != len(args.ports):
        parser.error(f"--fleet is of one line each: {len(args.ports)} ports, {len(args.fleet)} files")
    if len(set(args.ports)) < len(args.ports):
        parser.error("a port is given twice: a line has one master")
    return args


def token_of(path: str | None) -> str:
    """What lets whoever has it change nodes: the first line of a file, or a new one."""
    import secrets

    if path is None:
        return secrets.token_urlsafe(TOKEN_BYTES)
    token = first_line(path, "token")
    if TOKEN.fullmatch(token) is None:
        raise NeuronError(
            f"the first line of {path} is no token of {TOKEN_MIN} letters and digits or more: make one by python -c "
            f"'import secrets; print(secrets.token_urlsafe({TOKEN_BYTES}))'"
        )
    return token


def require_libraries(mqtt: bool) -> None:
    """NeuronError where what serves the page is not installed, or what speaks to a broker."""
    wanted = [*LIBRARIES, *(["paho"] if mqtt else [])]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise NeuronError(
            f"the page, /metrics and MQTT need {', '.join(missing)}: {sys.executable} -m pip install "
            "'neuron485[serve]', in a clone '.[serve]'"
        )

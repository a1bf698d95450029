"""The options of host.serve for an MQTT broker."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from host.cli.key import first_line
from host.cli.parser import file_name
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.web.mqtt import Settings

VARIABLE = "NEURON485_MQTT_PASSWORD"
PORTS = {"mqtt": 1883, "mqtts": 8883}
PREFIX = "neuron485"
NAME_MAX = 64
SHAPE = re.compile(r"(mqtts?)://(?:([^@/:]+)@)?(?:\[([\da-fA-F:.]+)\]|([^@/:\[\]\s]+))(?::(\d{1,5}))?/?")
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{NAME_MAX}}}")
"""A level of a topic, and what Home Assistant takes for the name of an object."""


class Address(NamedTuple):
    """Of a broker. user: None: anybody."""

    scheme: str
    user: str | None
    host: str
    port: int


def _address(text: str) -> Address:
    """Option type: mqtt://[USER@]HOST[:PORT], or mqtts. What is wrong with it is not shown: it may hold a password."""
    found = SHAPE.fullmatch(text)
    if re.search(":[^/].*@", text):
        raise argparse.ArgumentTypeError(
            f"a password there can be read by others: give --mqtt-password-file FILE, or set {VARIABLE}"
        )
    if found is None or int(found[5] or 1) not in range(1, 65536):
        raise argparse.ArgumentTypeError(
            "it is mqtt://[USER@]HOST[:PORT], or mqtts:// where the line is secured"
        )
    scheme, user, six, host, port = found.groups()
    return Address(scheme, user and unquote(user), six or host, int(port or PORTS[scheme]))


def _prefix(text: str) -> str:
    """Option type: levels of a topic."""
    if not re.fullmatch(r"[^/#+$\0][^#+\0]*(?<!/)", text) or "//" in text or len(text.encode()) > 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no start of a topic, like {PREFIX} or plant/{PREFIX}")
    return text


def _name(text: str) -> str:
    """Option type."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of letters, digits, _ and -, {NAME_MAX} at most")
    return text


def add_broker_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("MQTT")
    group.add_argument(
        "--mqtt",
        type=_address,
        metavar="URL",
        help="say everything to a broker, mqtt://[USER@]HOST[:PORT], or mqtts:// with the system's certificates, and "
        "let Home Assistant find the nodes",
    )
    group.add_argument(
        "--mqtt-password-file",
        type=file_name,
        metavar="FILE",
        help=f"its first line is USER's password (default: {VARIABLE})",
    )
    group.add_argument(
        "--mqtt-prefix",
        type=_prefix,
        metavar="TOPIC",
        help=f"what all topics begin with (default {PREFIX})",
    )
    group.add_argument(
        "--mqtt-name",
        type=_name,
        metavar="NAME",
        help="this gateway's name among those of the broker (default: this computer's)",
    )
    group.add_argument(
        "--mqtt-commands",
        action="store_true",
        help="let whoever may write to the broker change nodes (default: they are only shown)",
    )


def own_name() -> str:
    """This computer's, as a gateway's name."""
    import socket  # --help does without

    return re.sub(r"[^A-Za-z0-9_-]+", "_", socket.gethostname().split(".")[0])[:NAME_MAX] or "gateway"


def broker_of(args: argparse.Namespace) -> Settings | None:
    """The broker that the options name; None where they name none. NeuronError where they do not go together."""
    from host.web.mqtt import Settings
    from host.web.topics import Topics

    address: Address | None = args.mqtt
    if address is None:
        given = ("mqtt_password_file", "mqtt_prefix", "mqtt_name", "mqtt_commands")
        for alone in (name for name in given if getattr(args, name)):
            raise NeuronError(f"--{alone.replace('_', '-')} goes with --mqtt URL")
        return None
    password = os.environ.get(VARIABLE)
    if args.mqtt_password_file is not None:
        password = first_line(args.mqtt_password_file, "password")
    if address.user is None and args.mqtt_password_file is not None:
        raise NeuronError("a password is a user's: give --mqtt mqtt://USER@HOST")
    return Settings(
        host=address.host,
        port=address.port,
        tls=address.scheme == "mqtts",
        user=address.user,
        password=password if address.user is not None else None,
        topics=Topics(args.mqtt_prefix or PREFIX, args.mqtt_name or own_name()),
        commands=args.mqtt_commands,
    )

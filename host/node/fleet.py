"""A fleet is a file: which nodes a line has, by UID, and what each of them shall be.

[fleet]                             # all of it may be left out
baud = 115200                       # how the line speaks; --baud, --parity and --stop-bits go before it
format = "8E1"
firmware = "0123...ef"              # FIRMWARE_HASH, 64 hex digits
model = "and.img"                   # model, group and firmware here: of all nodes that do not say otherwise

[[node]]
uid = "0123456789abcdef01234567"    # as host.scan prints it
name = "pump 1"
address = 11
model = "pump.img"                  # an image file, from this file's folder on; without: whatever runs there
group = 1                           # without: whatever it is
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from host.core.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    FORMATS,
    HASH_BYTES,
    UID_BYTES,
    Format,
)
from host.errors import NeuronError, counted
from host.node.staging import checked_image, load_image

GROUP_MAX = 0xFFFF
NAME_MAX = 40
"""Characters of a node's name: a line of a terminal has more to say."""


@dataclass(frozen=True)
class Member:
    """A node of the fleet, as it shall be. uid: 24 hex digits; model: the image's file, as the fleet's file names it,
    "" with `image` None: whatever runs there; group 1..65535, None: whatever it is; firmware: 64 hex digits, "":
    whatever runs there."""

    uid: str
    name: str
    address: int
    model: str = ""
    image: bytes | None = field(default=None, repr=False)
    group: int | None = None
    firmware: str = ""


@dataclass(frozen=True)
class Fleet:
    """path: of its file; baud, line_format: None where the file does not say."""

    path: str
    members: tuple[Member, ...]
    baud: int | None = None
    line_format: Format | None = None


class FleetError(NeuronError):
    """The fleet's file is wrong; the line says where."""


# ------------------------------------------------------------------------------------------------------ tables


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise FleetError(f"{where}: {key} = {value!r} is no text in quotes")
    return value


def _whole(where: str, key: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:  # True is an int as well
        raise FleetError(f"{where}: {key} = {value!r} is not a whole number of {low}..{high}")
    return value


def _hex(where: str, key: str, value: Any, size: int) -> str:
    text = _text(where, key, value).lower()
    if len(text) != 2 * size or set(text) - set("0123456789abcdef"):
        raise FleetError(f'{where}: {key} = "{value}" has not {2 * size} hex digits')
    return text


def _known(where: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise FleetError(f"{where}: there is no key {key!r}, there are {', '.join(keys)}")


COMMON = ("model", "group", "firmware")
"""What [fleet] may say for all nodes."""


def _fleet_of(where: str, table: Mapping[str, Any]) -> tuple[int | None, Format | None]:
    """Baud rate and format of the table [fleet]."""
    _known(where, table, ("baud", "format", *COMMON))
    line_format = table.get("format")
    if line_format is not None and line_format not in tuple(FORMATS):
        raise FleetError(f"{where}: format = {line_format!r} is none of {', '.join(FORMATS)}")
    return (
        _whole(where, "baud", table["baud"], BAUD_MIN, BAUD_MAX) if "baud" in table else None,
        None if line_format is None else FORMATS[line_format],
    )


class _Images:
    """Each file is read once, however many nodes name it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, bytes] = {}

    def of(self, where: str, model: str) -> bytes:
        from host.core.load import require_in_time  # with it comes numpy

        if model not in self._read:
            try:
                image = load_image(str(self._folder / model))
                require_in_time(checked_image(image))
                self._read[model] = image
            except NeuronError as error:
                raise FleetError(f"{where}: model = {model!r}: {error}") from error
        return self._read[model]


@dataclass(frozen=True)
class _Wanted:
    """What a table says of COMMON, as Member has it."""

    model: str = ""
    image: bytes | None = None
    group: int | None = None
    firmware: str = ""


def _wanted_of(where: str, table: Mapping[str, Any], images: _Images, common: _Wanted) -> _Wanted:
    wanted = common
    if "model" in table:
        model = _text(where, "model", table["model"])
        wanted = replace(wanted, model=model, image=images.of(where, model))
    if "group" in table:
        wanted = replace(wanted, group=_whole(where, "group", table["group"], 1, GROUP_MAX))
    if "firmware" in table:
        wanted = replace(wanted, firmware=_hex(where, "firmware", table["firmware"], HASH_BYTES))
    return wanted


def _member_of(where: str, table: Any, images: _Images, common: _Wanted) -> Member:
    if not isinstance(table, Mapping):
        raise FleetError(f"{where} is no table: begin each node with a line [[node]]")
    _known(where, table, ("uid", "name", "address", *COMMON))
    for key in ("uid", "name", "address"):
        if key not in table:
            raise FleetError(f"{where} has no {key}: every node has uid, name and address")
    name = _text(where, "name", table["name"])
    if len(name) > NAME_MAX:
        raise FleetError(f"{where}: a name has up to {NAME_MAX} characters, this one {len(name)}")
    where = f"{where}, {name!r}"
    uid = _hex(where, "uid", table["uid"], UID_BYTES)
    address = _whole(where, "address", table["address"], ADDRESS_MIN, ADDRESS_MAX)
    return Member(uid, name, address, **vars(_wanted_of(where, table, images, common)))


def _require_single(path: str, members: list[Member]) -> None:
    for key in ("uid", "name", "address"):
        first: dict[Any, int] = {}
        for number, member in enumerate(members, 1):
            value = getattr(member, key)
            if value in first:
                raise FleetError(f"{path}: nodes {first[value]} and {number} have the same {key}, {value}")
            first[value] = number


def read_fleet(path: str) -> Fleet:
    """The fleet that a file describes, with its images. FleetError for the first mistake in it."""
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise FleetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        tables = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise FleetError(f"{path} is no TOML: {error}") from error
    _known(path, tables, ("fleet", "node"))
    head, nodes = tables.get("fleet", {}), tables.get("node", [])
    if not isinstance(head, Mapping):
        raise FleetError(f"{path}: fleet is no table: begin it with a line [fleet]")
    if not isinstance(nodes, list) or not nodes:
        raise FleetError(f"{path} has no nodes: begin each with a line [[node]]")
    most = ADDRESS_MAX - ADDRESS_MIN + 1
    if len(nodes) > most:
        raise FleetError(f"{path} has {counted(len(nodes), 'node')}, a line has addresses for {most}")
    where = f"{path}, [fleet]"
    baud, line_format = _fleet_of(where, head)
    images = _Images(Path(path).parent)
    common = _wanted_of(where, head, images, _Wanted())
    members = [
        _member_of(f"{path}, node {number}", table, images, common) for number, table in enumerate(nodes, 1)
    ]
    _require_single(path, members)
    return Fleet(path, tuple(members), baud, line_format)


# -------------------------------------------------------------------------------------------------------- written


def fleet_text(members: Sequence[Member], baud: int, line_format: Format) -> str:
    """The file of these nodes as they are, for people to go on from; their models are left to what runs there."""
    head = [
        "[fleet]",
        f"baud = {baud}",
        f'format = "{line_format.name[1:]}"',
        '# model = "and.img"',
        "# group = 1",
    ]
    tables = [
        ["", "[[node]]", f'uid = "{member.uid}"', f'name = "{member.name}"', f"address = {member.address}"]
        + ([f"group = {member.group}"] if member.group else [])
        for member in members
    ]
    return "\n".join(itertools.chain(head, *tables)) + "\n"

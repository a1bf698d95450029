"""The file of a fleet: what it may say, and one line for every mistake in it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from host.core.image import encode
from host.core.wire import Format
from host.node.fleet import Fleet, FleetError, Member, fleet_text, read_fleet
from tests.models import random_model

UID, OTHER = "00" * 11 + "01", "00" * 11 + "02"
HASH = "ab" * 32
IMAGE = encode(random_model(np.random.default_rng(1)))


def node(uid: str = UID, name: str = "one", address: int = 1, more: str = "") -> str:
    return f'[[node]]\nuid = "{uid}"\nname = "{name}"\naddress = {address}\n{more}\n'


@pytest.fixture
def read(tmp_path: Path):
    """What is read of this text, beside an image and.img."""
    (tmp_path / "and.img").write_bytes(IMAGE)
    (tmp_path / "bad.img").write_bytes(IMAGE[:-1])

    def read(text: str | bytes) -> Fleet:
        path = tmp_path / "fleet.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_fleet(str(path))

    return read


def test_all_that_it_may_say(read) -> None:
    fleet = read(
        f'[fleet]\nbaud = 115200\nformat = "8N2"\nfirmware = "{HASH}"\n'
        + node(UID.upper(), more='model = "and.img"\ngroup = 65535')
        + node(OTHER, "two", 247, f'firmware = "{"CD" * 32}"')
    )
    assert (fleet.baud, fleet.line_format) == (115200, Format.F8N2)
    assert fleet.members == (
        Member(UID, "one", 1, "and.img", IMAGE, 65535, HASH),
        Member(OTHER, "two", 247, firmware="cd" * 32),
    )


def test_little_is_enough(read) -> None:
    fleet = read(node())
    assert (fleet.baud, fleet.line_format) == (None, None)
    assert fleet.members == (Member(UID, "one", 1),)


def test_what_it_says_for_all_who_do_not_say_otherwise(read) -> None:
    fleet = read(
        f'[fleet]\nmodel = "and.img"\ngroup = 7\nfirmware = "{HASH}"\n'
        + node(more="group = 8")
        + node(OTHER, "two", 2)
    )
    assert fleet.members == (
        Member(UID, "one", 1, "and.img", IMAGE, 8, HASH),
        Member(OTHER, "two", 2, "and.img", IMAGE, 7, HASH),
    )


def test_what_is_written_is_read(read) -> None:
    members = (Member(UID, "one", 1), Member(OTHER, "two", 247, group=3))
    text = fleet_text(members, 115200, Format.F8N2)
    fleet = read(text)
    assert (fleet.baud, fleet.line_format, fleet.members) == (115200, Format.F8N2, members)
    assert read(text.replace("# model", "model")).members[1].image == IMAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no nodes: begin each with a line [[node]]"),
        ("node = []", "has no nodes"),
        ("node = 3", "has no nodes"),
        ("node = [3]", "node 1 is no table: begin each node with a line [[node]]"),
        ("fleet = 3\n" + node(), "fleet is no table"),
        ("[nodes]\n" + node(), "there is no key 'nodes', there are fleet, node"),
        ("[fleet]\nspeed = 3\n" + node(), "there is no key 'speed', there are baud, format, model, group, firmware"),
        ("[fleet]\nbaud = 10\n" + node(), "baud = 10 is not a whole number of 1200..1000000"),
        ("[fleet]\nbaud = true\n" + node(), "baud = True is not a whole number"),
        ('[fleet]\nformat = "7E1"\n' + node(), "format = '7E1' is none of 8E1, 8O1, 8N1, 8N2"),
        ("[fleet]\nformat = [1]\n" + node(), "format = [1] is none of"),
        ('[fleet]\nmodel = "bad.img"\n' + node(), "[fleet]: model = 'bad.img'"),
        ("[fleet]\ngroup = 0\n" + node(), "[fleet]: group = 0 is not a whole number of 1..65535"),
        ('[fleet]\nfirmware = "12"\n' + node(), 'firmware = "12" has not 64 hex digits'),
        ("[[node]]\n", "node 1 has no uid: every node has uid, name and address"),
        (f'[[node]]\nuid = "{UID}"\nname = "a"\n', "node 1 has no address"),
        (node(UID[1:]), f'uid = "{UID[1:]}" has not 24 hex digits'),
        (node("g" * 24), "has not 24 hex digits"),
        (node(name=""), "name = '' is no text in quotes"),
        (node(name="a\\nb"), "name = 'a\\nb' is no text in quotes"),
        (node(name="n" * 41), "a name has up to 40 characters, this one 41"),
        (node(address=0), "'one': address = 0 is not a whole number of 1..247"),
        (node(address=248), "address = 248 is not a whole number of 1..247"),
        (node(more="adress = 3"), "there is no key 'adress', there are uid, name, address, model, group, firmware"),
        (node(more="group = 0"), "group = 0 is not a whole number of 1..65535"),
        (node(more="group = 65536"), "group = 65536 is not a whole number of 1..65535"),
        (node(more="model = 3"), "model = 3 is no text in quotes"),
        (node(more='model = "no.img"'), "model = 'no.img': "),
        (node(more='model = "bad.img"'), "bad.img is no good image: "),
        (node(more='model = "."'), "cannot be read: Is a directory"),
        (node() + node(name="two", address=2), f"nodes 1 and 2 have the same uid, {UID}"),
        (node() + node(UID.upper(), "two", 2), "nodes 1 and 2 have the same uid"),
        (node() + node(OTHER, "one", 2), "nodes 1 and 2 have the same name, one"),
        (node() + node(OTHER, "two", 1), "nodes 1 and 2 have the same address, 1"),
        ("[[node]]\nuid = 1\nuid = 2", "is no TOML: "),
        ("[[node]\n", "is no TOML: "),
        (b"\xff\xfe", "is no TOML: "),
        ("a = " + "[" * 100_000, "is no TOML: "),
        ("".join(node(f"{n:024x}", str(n), 1) for n in range(248)), "has 248 nodes, a line has addresses for 247"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_that_says_where(read, tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(FleetError, match=re.escape(said)) as error:
        read(text)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'fleet.toml'}")


@pytest.mark.parametrize(
    ("name", "said"), [("no.toml", "No such file"), (".", "directory"), ("\0", "null byte")]
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(FleetError, match=said) as error:
        read_fleet(str(tmp_path / name) if name != "\0" else name)
    assert "\n" not in str(error.value)


def test_a_file_named_by_many_nodes_is_read_once(read, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = Path.open

    def count(path: Path, *rest, **more):
        opened.append(path.name)
        return real(path, *rest, **more)

    monkeypatch.setattr(Path, "open", count)
    read("".join(node(f"{n:024x}", str(n), n, 'model = "and.img"') for n in range(1, 9)))
    assert opened.count("and.img") == 1

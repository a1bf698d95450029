"""The words of the page: the same keys and places in each language, none that is missing, none that nobody says."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from host.core.wire import REGISTERS, EventKind, Table
from host.node.watching import STATES
from host.web.app import PAGE
from host.web.deeds import SETTINGS, SIMPLE

FILES = ("common", "nodes", "learn")
KEY = r"(?:common|nodes|learn)\.[\w.]+"
COILS = [row.name for row in REGISTERS if row.table is Table.COIL and row.name != "ACKNOWLEDGE"]
OWN = ["LOST", "BACK", "TROUBLE", "LINE_GONE", "LINE_BACK", "BROKER_GONE", "BROKER_BACK", "EVENTS_LOST"]


@cache
def words(language: str) -> dict[str, str]:
    said: dict[str, str] = {}
    for name in FILES:
        part = json.loads((PAGE / "words" / language / f"{name}.json").read_text("utf-8"))
        assert all(key.startswith(f"{name}.") for key in part)
        said |= part
    return said


@cache
def asked() -> tuple[set[str], set[str]]:
    """Keys that the modules have as they stand, and those that they put together, as regular expressions."""
    whole, parts = set[str](), set[str]()
    for path in PAGE.rglob("*.js"):
        text = path.read_text("utf-8")
        whole |= set(re.findall(rf"'({KEY})'", text))
        for template in re.findall(r"`((?:common|nodes|learn)\.[^`]*)`", text):
            parts.add(re.sub(r"\\\$\\\{.*?\\\}", "[^.]+", re.escape(template)))
    return whole, parts


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_both_languages_have_the_same_words() -> None:
    assert list(words("en")) == list(words("zh"))
    assert all(text.strip() for text in [*words("en").values(), *words("zh").values()])
    for key, text in words("en").items():
        assert places(text) == places(words("zh")[key]), key


def test_no_module_says_what_has_no_words() -> None:
    whole, parts = asked()
    assert whole - set(words("en")) == set()
    for part in parts:
        assert any(re.fullmatch(part, key) for key in words("en")), part


def test_all_words_are_said() -> None:
    whole, parts = asked()
    unsaid = [
        key for key in words("en") if key not in whole and not any(re.fullmatch(part, key) for part in parts)
    ]
    assert unsaid == []


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("nodes.is", [*STATES, *COILS]),
        ("nodes.kind", [*(kind.name for kind in EventKind if kind is not EventKind.NONE), *OWN]),
        ("nodes.job", [*SIMPLE, *SETTINGS, "deploy", "inputs", "record", "search", "train"]),
        ("nodes.state", ["ok", "waiting", "lost", "trouble"]),
    ],
)
def test_what_the_gateway_may_name_has_words(key: str, names: list[str]) -> None:
    assert [name for name in names if f"{key}.{name}" not in words("en")] == []

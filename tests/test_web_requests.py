"""What is asked of the gateway: over HTTP and MQTT it is read once, and what makes no sense is one line."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from host.core.wire import IMAGE_MAX
from host.errors import NeuronError
from host.web.deeds import SIMPLE
from host.web.requests import deed_of, image_of, parsed, values_of


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"7", b"\xff", b'{"values": [NaN]}', b'{"values": [Infinity]}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_one_line(data: bytes) -> None:
    with pytest.raises(NeuronError, match="no JSON"):
        parsed(data)


def test_nothing_is_an_empty_object() -> None:
    assert parsed(b"") == {}


@pytest.mark.parametrize(
    "values", ["1", None, {}, [True], ["1"], [None], [[1]], [float("1e999")], [float("nan")], [10**400]]
)
def test_values_are_finite_numbers(values: Any) -> None:
    with pytest.raises(NeuronError, match="finite number"):
        values_of({"values": values})


def test_whole_numbers_are_values_too() -> None:
    assert values_of(json.loads('{"values": [1, 2.5, -3e4]}')) == [1.0, 2.5, -30000.0]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (None, "in base64"),
        ("*", "no base64"),
        (base64.b64encode(bytes(IMAGE_MAX + 1)).decode(), "takes up to"),
    ],
)
def test_an_image_comes_in_base64(image: str | None, said: str) -> None:
    with pytest.raises(NeuronError, match=said):
        image_of({"image": image})


@pytest.mark.parametrize("kind", list(SIMPLE))
def test_simple_deeds_need_nothing_more(kind: str) -> None:
    assert deed_of(kind, {}) is SIMPLE[kind]


@pytest.mark.parametrize(
    ("kind", "said", "line"),
    [
        ("identify", {}, "on is to be true or false"),
        ("override", {"on": 1}, "on is to be true or false"),
        ("deploy", {"image": "", "trial": -1}, "is not a whole number of 0..65535"),
        ("deploy", {"image": "", "trial": True}, "is not a whole number of 0..65535"),
        ("explode", {}, "cannot be told to explode"),
    ],
)
def test_a_deed_is_said_well_or_not_done(kind: str, said: dict[str, Any], line: str) -> None:
    with pytest.raises(NeuronError, match=line):
        deed_of(kind, said)

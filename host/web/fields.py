"""Fields of what was asked as JSON: each is checked, and what is wrong is one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TypeGuard

from host.errors import NeuronError

Check = Callable[[str, Any], Any]
"""check(field, value) -> what is taken of it; NeuronError says what is wrong."""
NAMES_MAX = 1000


def wrong(field: str, value: object, what: str) -> NeuronError:
    return NeuronError(f"{field}: {json.dumps(value)[:40]} is {what}")


def _is_finite(value: object) -> TypeGuard[float]:
    """A float may be infinite, 1e999, and a whole number too large for one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def whole(low: int, high: int) -> Callable[[str, Any], int]:
    """A whole number, which may be written 2.0."""

    def check(field: str, value: object) -> int:
        if not _is_finite(value) or value % 1 or not low <= value <= high:
            raise wrong(field, value, f"not a whole number of {low}..{high}")
        return int(value)

    return check


def number(field: str, value: Any) -> float:
    if not _is_finite(value):
        raise wrong(field, value, "not a finite number")
    return float(value)


def positive(field: str, value: Any) -> float:
    found = number(field, value)
    if found <= 0:
        raise wrong(field, value, "not above 0")
    return found


def one_of(*names: str) -> Check:
    def check(field: str, value: Any) -> str:
        if value not in names:
            raise wrong(field, value, f"none of {', '.join(names)}")
        return str(value)

    return check


def word(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise wrong(field, value, "no name")
    return value


def list_of(each: Check, least: int, most: int, what: str) -> Check:
    def check(field: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise wrong(field, value, f"not a list of {what}")
        return [each(field, part) for part in value]

    return check


def only(said: dict[str, Any], *fields: str, of: str = "this request") -> None:
    """NeuronError where it says anything else, which would be left undone in silence."""
    if strange := [str(field) for field in said if field not in fields]:
        raise NeuronError(f"{strange[0][:40]!a} is no field of {of}, which has {', '.join(fields) or 'none'}")


def fields_of(request: object, fields: dict[str, Check], what: str, like: str) -> dict[str, Any]:
    """The fields that are there and not null, each as its check takes it. what: is asked for; like: an example."""
    if not isinstance(request, dict):
        raise NeuronError(f"{what} is asked for by an object like {like}")
    only(request, *fields, of=what)
    return {field: fields[field](field, value) for field, value in request.items() if value is not None}

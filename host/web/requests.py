"""What is asked of the gateway, as JSON says it: the same over HTTP and MQTT."""

from __future__ import annotations

import base64
import binascii
import json

from host.core.wire import IMAGE_MAX, TRIAL_MAX
from host.errors import NeuronError
from host.web.deeds import SETTINGS, SIMPLE, Deed, deploying, setting
from host.web.fields import NAMES_MAX, list_of, number, only, whole, wrong
from host.web.gateway import Unknown
from host.web.shapes import Json


def parsed(data: bytes) -> Json:
    """A JSON object, {} of nothing; NeuronError for anything else."""
    try:
        said = json.loads(data or b"{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NeuronError("what was asked is no JSON") from None
    if not isinstance(said, dict):
        raise NeuronError("what was asked is no JSON object")
    return said


def _no_number(name: str) -> float:
    raise ValueError(name)


def whole_of(said: Json, key: str, low: int, high: int, usual: int | None = None) -> int:
    """A whole number of a request."""
    return whole(low, high)(key, said.get(key, usual))


def share_of(said: Json, key: str) -> float | None:
    """A part of a whole, None where nothing is said of it."""
    if key not in said:
        return None
    share = number(key, said[key])
    if not 0 <= share <= 1:
        raise wrong(key, share, "not a share of 0..1")
    return share


def yes_of(said: Json, key: str) -> bool:
    value = said.get(key)
    if type(value) is not bool:
        raise NeuronError(f"{key} is to be true or false")
    return value


def values_of(said: Json) -> list[float]:
    """Inputs of a request: finite numbers."""
    found: list[float] = list_of(number, 0, NAMES_MAX, "finite numbers, an input each")(
        "values", said.get("values")
    )
    return found


def image_of(said: Json) -> bytes:
    """An image of a request, not yet checked."""
    text = said.get("image")
    if not isinstance(text, str):
        raise NeuronError("image is to be the bytes of an image file, in base64")
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NeuronError("image is no base64") from None
    if len(image) > IMAGE_MAX:
        raise NeuronError(f"the image has {len(image)} bytes, a node takes up to {IMAGE_MAX}")
    return image


def deed_of(kind: str, said: Json) -> Deed:
    """What a node is to do, by its name; NeuronError where it is not said well, Unknown where there is no such deed."""
    if kind == "deploy":
        only(said, "image", "trial")
        return deploying(image_of(said), whole_of(said, "trial", 0, TRIAL_MAX, 0))
    if kind in SETTINGS:
        only(said, "on")
        return setting(kind, yes_of(said, "on"))
    if kind in SIMPLE:
        only(said)
        return SIMPLE[kind]
    raise Unknown(f"a node cannot be told to {kind}")

"""The law of what the gateway says as JSON: host/web/schema.json holds for every answer and every message."""

from __future__ import annotations

import base64
import itertools
import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from host.core.image import encode
from host.web import shown
from host.web.deeds import SETTINGS, SIMPLE
from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.live import sent
from host.web.shapes import own_event
from tests.e2e.scenario import AND, NAND
from tests.test_web_owner import Rig, ended, rig
from tests.web_client import SCHEMA, Client, addresses, asking, assert_holds, refusals

NOT_JSON = {
    "GET /",
    "GET /api/schema",
    "GET /metrics",
    "GET /api/live",
    "GET /api/trainings/{id}/image",
    "GET /api/recordings/{id}",
}
IMAGE = base64.b64encode(encode(AND)).decode()
NODE = "/api/nodes/{uid}"


def test_the_schema_is_one_and_names_all_addresses_there_are() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    there = set(addresses(Gateway(Hub(), [])))
    assert set(SCHEMA["answers"]) == there - NOT_JSON
    assert set(SCHEMA["requests"]) == {address for address in there if address.startswith("POST")}
    for name, law in SCHEMA["$defs"].items():
        if law.get("type") == "object":
            assert law["additionalProperties"] is False, name


NAMES = {"Frame": "Epoch", "TrainingJson": "Training", "Request": "TrainingRequest"}
NEEDED = {"TrainingRequest": {"model"}, "RecordRequest": {"seconds", "channels"}}
"""Fields without which a request is refused."""
SHAPES = {NAMES.get(name, name): one for name, one in vars(shown).items() if typing.is_typeddict(one)}
"""What the learner's page is given; that which never leaves the gateway is not in the schema."""


@pytest.mark.parametrize("name", sorted(SHAPES.keys() & SCHEMA["$defs"].keys()))
def test_trainings_have_in_the_schema_the_fields_that_they_have(name: str) -> None:
    law, shape = SCHEMA["$defs"][name], SHAPES[name]
    assert set(law["properties"]) == set(typing.get_type_hints(shape))
    assert set(law.get("required", [])) == NEEDED.get(name, shape.__required_keys__)


def test_the_index_is_made_of_the_routes_and_each_has_a_line() -> None:
    with asking(Gateway(Hub(), [])) as here:
        said = here.ask("GET /api")
        assert {f"{one['method']} {one['path']}" for one in said["addresses"]} == set(
            addresses(Gateway(Hub(), []))
        )
        answer = here.client.get(said["schema"])
        assert answer.json() == SCHEMA
        assert answer.headers["content-type"] == "application/schema+json"


def visit(here: Rig, client: Client) -> None:
    """Every address, well and badly asked."""
    uid, nobody = here.uids[0], "f" * 24
    client.ask("POST /api/token")
    assert client.ask(f"POST {NODE}/inputs", {"values": [1, 1]}, 400, uid=uid)["error"].startswith(
        "the node runs no"
    )
    for model in (AND, NAND):
        begun = client.ask(f"POST {NODE}/{{deed}}", {"image": as_text(encode(model))}, uid=uid, deed="deploy")
        assert not ended(here, begun)["error"]
    here.until(lambda state: state["nodes"][0]["model"] and state["nodes"][0]["model"]["name"] == "nand")
    assert client.ask(f"POST {NODE}/inputs", {"values": [1, 1]}, uid=uid)["led"] is False
    client.ask(f"POST {NODE}/inputs", {"values": [1]}, 400, uid=uid)
    client.ask(f"POST {NODE}/inputs", {"values": [1, 1]}, 404, uid=nobody)
    begun = client.ask(f"POST {NODE}/{{deed}}", {"image": IMAGE, "trial": 600}, uid=uid, deed="deploy")
    assert "on trial for 600 s" in str(ended(here, begun)["lines"])
    here.until(lambda state: state["nodes"][0]["trial_left"])
    for deed in SIMPLE:
        ended(here, client.ask(f"POST {NODE}/{{deed}}", {}, uid=uid, deed=deed))
    for deed, on in itertools.product(SETTINGS, (True, False)):
        assert not ended(here, client.ask(f"POST {NODE}/{{deed}}", {"on": on}, uid=uid, deed=deed))["error"]
    client.ask(f"POST {NODE}/{{deed}}", {}, 404, uid=uid, deed="explode")
    client.ask(f"POST {NODE}/{{deed}}", {}, 404, uid=nobody, deed="confirm")
    client.ask(f"POST {NODE}/cut", {"words": 3}, uid=uid)
    assert ended(here, client.ask("POST /api/lines/{line}/search", line="1"))["result"] == {"found": 2}
    client.ask("POST /api/lines/{line}/search", None, 404, line="2")
    client.ask("GET /api/state")
    client.ask(f"GET {NODE}", uid=uid)
    client.ask(f"GET {NODE}", None, 404, uid=nobody)
    client.ask("GET /api/jobs/{id}", id="1")
    client.ask("GET /api/jobs/{id}", None, 404, id="4850")
    client.ask("POST /api/describe", {"image": IMAGE})
    client.ask("POST /api/describe", {"image": as_text(b"N485")}, 400)
    client.ask("GET /api/recipes")
    for wish in (
        {"model": "and"},
        {"model": "wx", "rate": 3},
        {"model": "mlp", "layers": [2, 3, 1]},
        {"model": "x"},
    ):
        training = client.ask("POST /api/trainings", wish)
        client.ask("GET /api/trainings/{id}", id=training["id"])
        answer = 200 if training["state"] == "trained" else 400
        client.ask("GET /api/trainings/{id}/bits", None, answer, id=training["id"])
        client.ask("POST /api/trainings/{id}/cancel", id=training["id"])
    client.ask("GET /api/trainings/{id}", None, 404, id="485")
    begun = client.ask("POST /api/trainings/{id}/deploy", {"uid": uid}, id="1")
    assert not ended(here, begun)["error"]
    client.ask("POST /api/trainings/{id}/deploy", {"uid": uid}, 400, id="2")
    begun = client.ask("POST /api/trainings/{id}/board", {"uid": uid}, id="1")
    assert not ended(here, begun)["error"]
    begun = client.ask("POST /api/nodes/{uid}/record", {"seconds": 1, "channels": ["a0"]}, uid=uid)
    assert "how often to sample" in ended(here, begun)["error"]


def as_text(image: bytes) -> str:
    return base64.b64encode(image).decode()


def test_every_answer_and_every_message_hold() -> None:
    with rig() as here, here.hub.listening(lambda: None) as box:
        with asking(Gateway(here.hub, [here.owner], cuts={"1": lambda words: None})) as client:
            visit(here, client)
            client.ask("GET /api")
        here.line.nodes[1].off = True
        here.until(lambda state: state["nodes"][1]["state"] == "lost")
        here.line.pull()
        here.until(lambda state: state["lines"][0]["state"] == "gone")
        here.hub.say("end", {})
        messages = [*box.take(), ("state", here.hub.state())]
    assert client.asked == set(SCHEMA["answers"])
    for kind, said in messages:
        assert_holds(SCHEMA["messages"][kind], said)
        first, second = sent(kind, said).splitlines()[:2]
        assert (first, json.loads(second.removeprefix("data: "))) == (f"event: {kind}", said)
    assert {kind for kind, _ in messages} == set(SCHEMA["messages"]) - {"broker"}


def test_what_the_schema_does_not_know_does_not_hold() -> None:
    """The check itself can fail."""
    event = own_event("LOST", "gone", "0" * 24)
    assert_holds(SCHEMA["messages"]["event"], event)
    for wrong in (event | {"more": 1}, event | {"uid": "0"}, event | {"text": None}, {}):
        assert refusals(SCHEMA["messages"]["event"], wrong)


def each(key: str, *values: Any) -> list[Any]:
    return [{key: value} for value in values]


BODIES: dict[str, tuple[list[Any], list[Any]]] = {
    "POST /api/token": ([{}], [{"token": "x"}, [], 1, "x"]),
    "POST /api/lines/{line}/search": ([{}], [{"line": 1}]),
    "POST /api/describe": (
        each("image", IMAGE),
        [{}, *each("image", None, 1, "a", "?", [IMAGE]), {"image": IMAGE, "trial": 1}],
    ),
    f"POST {NODE}/inputs": (
        each("values", [], [1, 2.5, -1e300]),
        [
            {},
            {"values": [1], "more": 1},
            *each("values", 1, [None], [True], ["1"], [[1]], [10**400], {"0": 1}),
        ],
    ),
    f"POST {NODE}/cut": (
        each("words", 0, 7.0, 65536),
        [{}, {"words": 1, "landed": 1}, *each("words", -1, 65537, 1.5, "1", True, None, 10**400)],
    ),
    f"POST {NODE}/record": (
        [{"seconds": 0.5, "channels": ["a0", "d3"], "label": "off duty", "rate": 1000.0}],
        [
            {},
            {"seconds": 1},
            {"channels": ["a0"]},
            *({"seconds": seconds, "channels": ["a0"]} for seconds in (0, -1, "1", True, None, 10**400)),
            *(
                {"seconds": 1, "channels": channels}
                for channels in ([], "a0", ["a8"], ["d4"], [0], ["A0"], None)
            ),
            *({"seconds": 1, "channels": ["a0"], "rate": rate} for rate in (0, 10001, 1.5, "1")),
            *({"seconds": 1, "channels": ["a0"], "label": label} for label in ("", " ", "a,b", '"a"', 1)),
            {"seconds": 1, "channels": ["a0"], "more": 1},
        ],
    ),
    f"POST {NODE}/{{deed}} deploy": (
        [{"image": IMAGE, **trial} for trial in ({}, *each("trial", 0, 65535))],
        [
            {},
            {"image": IMAGE, "force": True},
            *each("image", IMAGE[:-1], IMAGE + " "),
            *({"image": IMAGE, "trial": trial} for trial in (-1, 65536, None, "1")),
        ],
    ),
    f"POST {NODE}/{{deed}} identify": (
        each("on", True, False),
        [{}, *each("on", 1, None, "on"), {"on": True, "x": 1}],
    ),
    f"POST {NODE}/{{deed}} rollback": ([{}], [{"to": 1}]),
}
LAWS = {"deploy": "DeployRequest", "identify": "SwitchRequest", "rollback": "Nothing"}


@pytest.mark.parametrize("named", BODIES)
def test_bodies_are_refused_by_the_app_where_the_schema_refuses_them(named: str) -> None:
    address, _, deed = named.removeprefix("POST ").partition(" ")
    law = {"$ref": f"#/$defs/{LAWS[deed]}"} if deed else SCHEMA["requests"][f"POST {address}"]
    good, bad = BODIES[named]
    names = {"uid": "0" * 24, "deed": deed, "line": "1"}
    with asking(Gateway(Hub(), [])) as client:
        for body in good:
            assert not refusals(law, body), body
            client.ask(f"POST {address}", body, 404 if "{" in address else 200, **names)
        for body in bad:
            assert refusals(law, body), body
            client.ask(f"POST {address}", body, 400, **names)


def test_trainings_are_refused_where_the_schema_refuses_them() -> None:
    """What is said of it then is a training too, that is refused."""
    law = SCHEMA["requests"]["POST /api/trainings"]
    rows = "x,y\n" + "".join(f"{x},{2 * x}\n" for x in range(20))
    good = (
        {"rate": None, "epochs": 3.0, "seed": None},
        {"model": "mlp", "layers": [2, 3, 1], "activation": "tanh", "seed": 1, "tries": 2, "epochs": 2},
        {"model": "wxb", "csv": rows, "name": "rows.csv", "target": "y", "epochs": 2, "dtype": "float32"},
        {"model": "wxb", "csv": rows, "target": ["y"], "start": [0, 0.5], "epochs": 2, "algorithm": "batch"},
    )
    bad = (
        *({"model": model} for model in (None, "or", 1)),
        *({"epochs": epochs} for epochs in (0, 1.5, "1", True, 10**6)),
        *({"rate": rate} for rate in (0, -1, "1", 10**400)),
        *({"model": "mlp", "layers": layers} for layers in ([2], [0, 1], [2, 65, 1], 2, [2, "1"])),
        *({"seed": seed} for seed in (-1, 2**32)),
        *({"tries": 21}, {"dtype": "float16"}, {"algorithm": "grid"}, {"activation": "step"}, {"more": 1}),
        *({"csv": 1}, {"csv": rows, "target": []}, {"csv": rows, "drop": "x"}, {"csv": rows, "name": " "}),
        *(
            {"recordings": []},
            {"recordings": [{"name": "a.txt", "text": ""}]},
            {"recordings": [{"name": "a.csv"}]},
        ),
        *({"window": 3}, {"hop": 0}, {"features": []}, {"start": []}, {"start": [10**400]}),
    )
    with asking(Gateway(Hub(), [])) as client:
        for wish in good:
            assert not refusals(law, {"model": "and"} | wish), wish
            assert client.ask("POST /api/trainings", {"model": "and"} | wish)["state"] == "trained", wish
        for wish in bad:
            assert refusals(law, {"model": "and"} | wish), wish
            assert client.ask("POST /api/trainings", {"model": "and"} | wish)["state"] == "refused", wish
        assert refusals(law, {})
        assert client.ask("POST /api/trainings", {})["state"] == "refused"


KEYS = sorted({key for law in SCHEMA["$defs"].values() for key in law.get("properties", ())})
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
LEAVES |= st.sampled_from(["and", "mlp", "a0", IMAGE, 1e308, 2**64, -1])
VALUES = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(KEYS), part, max_size=3)
)


@given(address=st.sampled_from(sorted(SCHEMA["requests"])), data=st.data())
def test_whatever_is_asked_is_answered_by_the_law(address: str, data: st.DataObject) -> None:
    """No request makes the gateway itself fail."""
    law = SCHEMA["$defs"][SCHEMA["requests"][address].get("$ref", "#/$defs/DeployRequest").rpartition("/")[2]]
    fields = dict.fromkeys(law["properties"], VALUES)
    body = data.draw(VALUES | st.fixed_dictionaries({}, optional=fields))
    with asking(Gateway(Hub(), [])) as client:
        for deed in ("deploy", "identify", "confirm"):
            client.ask(address, body, (200, 202, 400, 404), id="1", uid="0" * 24, line="1", deed=deed)

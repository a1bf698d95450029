"""Fewer bits of the weights: what is seen never exceeds what is proven, and what is proven does not flip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.compiler import ROOT
from host.core.image import decode, encode
from host.core.infer import infer, led, quantise_inputs, self_test
from host.core.wire import Activation
from host.models.dense import reference
from host.models.report import fixed_outputs, fixed_sums
from host.training.pipeline import fixed_point
from host.training.trained import Trained
from host.web.bits import bits, sure
from host.web.learning import Training
from tests import recordings

IRIS = (ROOT / "host" / "lessons" / "iris.csv").read_text()
TWO = "".join(f"{n % 7},{n * n % 11},{n % 7 * 2 > n * n % 11:d}\n" for n in range(30))
REQUESTS: dict[str, dict[str, Any]] = {
    "wx": {"model": "wx"},
    "wxb": {"model": "wxb"},
    "and": {"model": "and"},
    "logistic": {"model": "logistic"},
    "xor": {"model": "mlp", "layers": [2, 4, 1]},
    "ten": {"model": "mlp", "epochs": 60},
    "three classes": {"model": "mlp", "csv": IRIS, "epochs": 100},
    "softmax": {"model": "logistic", "csv": IRIS, "epochs": 100},
    "two classes": {"model": "logistic", "csv": f"a,b,c\n{TWO}", "epochs": 200},
    "two answers": {
        "model": "logistic",
        "csv": "".join(["a,b,c,d\n", *(f"{row},{int(row[0]) > 3:d}\n" for row in TWO.split())]),
        "target": ["c", "d"],
        "epochs": 200,
    },
    "step": {"model": "and", "csv": f"a,b,c\n{TWO}", "epochs": 50},
}


def became(request: dict[str, Any]) -> Trained:
    training = Training("1", request)
    training.run()
    assert training.trained is not None, training.error
    return training.trained


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_seen_is_within_what_is_proven(name: str) -> None:
    trained = became(REQUESTS[name])
    found = bits(trained)
    json.dumps(found, allow_nan=False)
    assert [one["bits"] for one in found] == [*range(16, 1, -1)]
    for one in found:
        assert one["error"] == ""
        assert one["seen"] <= one["bound"]
        assert one["changed"] + one["proven"] <= one["rows"] == len(trained.data)
        assert len(one["flips"]) == min(one["changed"], 64)
        assert one["of"] == ("sum" if trained.config.activation[-1] is Activation.STEP else "output")
    assert (found[0]["seen"], found[0]["changed"]) == (trained.report.error_observed, trained.changed.rows)
    assert found[-1]["bound"] > found[0]["bound"] or name in ("wx", "wxb")  # whose weights are 2 and 0


@pytest.mark.parametrize("name", ["and", "xor", "logistic", "softmax"])
def test_no_input_within_the_ranges_goes_beyond_the_bound(name: str) -> None:
    trained = became(REQUESTS[name])
    random = np.random.default_rng(5)
    low, high = np.array(trained.report.ranges).T
    x = random.uniform(low, high, (2000, len(low))).astype(np.float32).astype(np.float64)
    sums, real = reference(trained.layers, x)
    for one in bits(trained):
        model, _ = fixed_point(trained.plan, trained.layers, one["bits"])
        of_sums = one["of"] == "sum"
        fixed = fixed_sums(model, quantise_inputs(model, x)) if of_sums else fixed_outputs(model, x)
        assert np.abs(fixed - (sums if of_sums else real)).max() <= one["bound"]
        most = 1 << (one["bits"] - 1)
        for layer in model.layers:
            assert -most <= layer.weights.min() <= layer.weights.max() < most
        self_test(decode(encode(model)))


@pytest.mark.parametrize("name", ["and", "two classes", "softmax", "two answers", "three classes", "xor"])
def test_the_rows_that_change_are_named_and_are_not_sure(name: str) -> None:
    trained = became(REQUESTS[name])
    x, changed = trained.data.x, set[int]()
    real = reference(trained.layers, x)[1]
    for one in bits(trained):
        model, _ = fixed_point(trained.plan, trained.layers, one["bits"])
        lit = led(model, infer(model, quantise_inputs(model, x)))
        assert trained.decide is not None
        decided = trained.decide(real) != trained.decide(fixed_outputs(model, x))
        differ = (lit != trained.plan.lamp.lit(real)) | decided.reshape(len(x), -1).any(axis=1)
        rows = np.flatnonzero(differ).tolist()
        changed |= set(rows)
        assert one["changed"] == len(rows)
        for flip, row in zip(one["flips"], rows, strict=False):
            assert (flip["row"], flip["inputs"], flip["lit"]) == (row, x[row].tolist(), lit[row])
            assert flip["was"] == trained.plan.lamp.lit(real)[row]
    assert changed


@pytest.mark.parametrize(
    "name", ["wxb", "logistic", "two classes", "softmax", "two answers", "three classes"]
)
def test_what_is_sure_is_decided_alike_whatever_the_error(name: str) -> None:
    """Outputs around every border, each with many errors up to the bound."""
    trained = became(REQUESTS[name])
    random, outputs = np.random.default_rng(8), trained.model.outputs
    threshold = trained.plan.lamp.threshold
    bound = np.linspace(0.05, 0.1, outputs)
    real = threshold + random.normal(scale=0.3, size=(200, outputs))
    found = sure(trained, trained.model, real, bound)
    assert found.any() != found.all()
    lamp, decide = trained.plan.lamp, trained.decide
    assert name == "wxb" or decide is not None
    alike = np.ones(len(real), dtype=bool)
    for _ in range(300):
        near = real + random.choice([-1.0, 1.0], size=real.shape) * bound
        alike &= lamp.lit(near) == lamp.lit(real)
        if decide is not None:
            alike &= (decide(near) == decide(real)).reshape(len(real), -1).all(axis=1)
    assert alike.tolist() == found.tolist()


def test_the_article_s_and_flips_at_two_bits() -> None:
    found = {one["bits"]: one for one in bits(became(REQUESTS["and"]))}
    assert all(found[number]["proven"] == 4 for number in range(4, 17))
    assert (found[3]["changed"], found[3]["proven"]) == (0, 3)
    (flip,) = found[2]["flips"]
    assert (flip["row"], flip["inputs"], flip["was"], flip["lit"]) == (3, [1.0, 1.0], True, False)
    assert found[2]["line"] == pytest.approx([0.5, 0.0, -0.6116], abs=1e-4)
    assert found[16]["line"] == pytest.approx([0.45143, 0.23690, -0.61164], abs=1e-4)


def test_of_inputs_far_from_0_the_rounded_line_is_in_their_own_units() -> None:
    text = "".join(["k,v\n", *(f"{300 + n / 3!r},{n * 0.7!r}\n" for n in range(19))])
    trained = became({"model": "wxb", "csv": text, "epochs": 2000})
    assert trained.model.input_offset != (0.0,)
    for one in bits(trained):
        weight, bias = one["line"]
        model, _ = fixed_point(trained.plan, trained.layers, one["bits"])
        said = fixed_outputs(model, trained.data.x)[:, 0]
        near = 2.0 ** -min(model.output_fraction) + abs(weight) * 2.0 ** -model.input_fraction[0]
        assert np.abs(trained.data.x[:, 0] * weight + bias - said).max() <= near


def test_windows_of_recordings_are_counted_as_a_node_measures_them(tmp_path: Path) -> None:
    texts = []
    for seed, kind in enumerate(("normal", "worn")):
        raw = recordings.pump(kind, 2000, seed)[:, :1]
        path = recordings.write(tmp_path / f"{kind}.csv", raw, [kind] * len(raw), ["a0"])
        texts.append({"name": f"{kind}.csv", "text": Path(path).read_text()})
    found = bits(
        became({"model": "logistic", "recordings": texts, "window": 128, "features": ["a0.rms", "a0.std"]})
    )
    assert all(one["seen"] <= one["bound"] for one in found)


def test_weights_too_large_for_a_coarse_scale_are_said() -> None:
    text = "".join(["x,y\n", *(f"{n / 1e11!r},{n > 0:d}\n" for n in range(-5, 6))])
    found = bits(became({"model": "logistic", "csv": text, "epochs": 50}))
    assert found[0]["error"] == ""
    assert "is too large for a node" in found[-1]["error"]
    assert (found[-1]["bound"], found[-1]["flips"]) == (0.0, [])

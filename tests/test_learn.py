"""learn.py, fit.py, grid.py, stability.py: the articles' figures to the last digit, gradients, stable rates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.core import learn
from host.core.learn import Config, backward, begin, forward, measure, step, total
from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN, synthetic
from host.errors import NeuronError
from host.lessons.facts import descend
from host.training import fast, grid
from host.training.fit import Epoch, Fit, epochs, fit
from host.training.stability import mean_loss, stable_rate
from host.training.starts import random_start
from tests.learn_builds import BUILDS, built

IDENTITY, RELU, STEP, SIGMOID, TANH = Activation
WX, WXB, AND, LOGISTIC = (BUILT_IN[name] for name in ("wx", "wxb", "and", "logistic"))
LINE = Config((1, 1), (IDENTITY,), bias=False, epochs=100)
LINE_B = Config((1, 1), (IDENTITY,), loss=Loss.HALF, rate=0.1, epochs=1000)
GATE = Config((2, 1), (STEP,), batch=1, epochs=20)
NETWORK = Config((10, 7, 10), (RELU, IDENTITY), loss=Loss.SUM, rate=1e-4, epochs=500)


def wx(rate: float = 0.01, **options: Any) -> list[Epoch]:
    return fit(replace(LINE, rate=rate, **options), WX.x, WX.y, [1.0]).history


def wxb(**options: Any) -> Fit:
    return fit(replace(LINE_B, **options), WXB.x, WXB.y, [0.0, 0.0])


@pytest.fixture(params=["python", *BUILDS])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All ways that an epoch may be computed."""
    if request.param in BUILDS:
        with built(*BUILDS[request.param]):
            yield
    else:
        monkeypatch.setattr(fast, "pays", lambda config, samples: False)
        yield


# ---------------------------------------------------------------------------------------------------- figures


@pytest.mark.usefixtures("by")
class TestFigures:
    def test_wx_by_batch(self) -> None:
        history = wx()
        assert len(history) == 100
        assert history[0] == Epoch(0, 4.666666666666667, [1.0933333333333333], None)
        assert history[1] == Epoch(1, 3.8362074074074086, [1.1779555555555554], None)
        assert history[99] == Epoch(99, 1.752432687141379e-08, [1.9999444396553017], None)
        assert history[99].w[0] * 4 == 7.999777758621207

    def test_wx_one_sample_at_a_time(self) -> None:
        history = wx(batch=1)
        assert history[0] == Epoch(0, 7.315943039999998, [1.260688], None)
        assert history[99] == Epoch(99, 7.82747233205549e-26, [1.9999999999999236], None)
        assert history[99].w[0] * 4 == 7.9999999999996945

    def test_and(self) -> None:
        end = fit(GATE, AND.x, AND.y, [0.666, 0.333, 0.233]).end
        assert (end.w, end.b) == ([0.4514297388906616, 0.2369025056182418], -0.611635769357402)

    def test_wxb_by_half_the_mean_squared_error(self) -> None:
        end = wxb().end
        assert (end.w, end.b) == ([1.9999999943842544], 2.0274623625998433e-08)
        assert end.w[0] * 6 + (end.b or 0) == 11.99999998658015

    def test_wxb_by_the_mean_squared_error(self) -> None:
        end = wxb(loss=Loss.MEAN, rate=0.01).end
        assert (end.w, end.b) == ([1.9951803506719779], 0.017400463340610635)

    def test_wxb_explodes_with_the_article_s_rate(self) -> None:
        with pytest.raises(NeuronError) as error:
            wxb(loss=Loss.MEAN)
        limit = stable_rate(replace(LINE_B, loss=Loss.MEAN), WXB.x)
        assert f"the largest stable rate for this data is {limit:.6g}: try --lr" in str(error.value)
        assert 0.01 < limit < 0.1
        assert wxb(loss=Loss.MEAN, rate=0.99 * limit).end.loss < 22

    def test_wxb_by_adam(self) -> None:
        end = wxb(adam=True, epochs=5000).end
        assert end.parameters == pytest.approx([2, 0], abs=1e-9)

    def test_logistic(self) -> None:
        config = Config((1, 1), (SIGMOID,), loss=Loss.CROSS, rate=0.5, epochs=1000)
        end = fit(config, LOGISTIC.x, LOGISTIC.y, [0.0, 0.0]).end
        assert 2 < -(end.b or 0) / end.w[0] < 3
        assert end.loss < 0.06


def test_a_sum_that_forgets_to_add_up() -> None:
    assert descend(1.0, WX.x[:, 0].tolist(), WX.y.tolist(), 0.01, 100, forget=True) == 1.9979451252294764


def test_grid_finds_w() -> None:
    found = grid.search(LINE, [[1], [2], [3]], [2, 4, 6], grid.axes([(0, 4, 0.1)]))
    assert found.end == Epoch(20, 0.0, [2.0], None)
    assert found.stopped == "41 points"
    assert [e.loss for e in found.history] == sorted((e.loss for e in found.history), reverse=True)


def test_grid_finds_w_and_b() -> None:
    axes = grid.axes([(0, 4, 0.1), (-2, 2, 0.1)])
    found = grid.search(replace(LINE_B, loss=Loss.MEAN), [[1], [2], [3]], [4, 6, 8], axes)
    assert (found.end.w, found.end.b, found.end.loss) == ([2.0], 2.0, 0.0)


def test_a_grid_s_axis_has_the_numbers_that_people_write() -> None:
    axes = grid.axes([(0, 0.7, 0.1), (-1, 1, 1)])
    assert axes == [[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [-1, 0, 1]]


# --------------------------------------------------------------------------------------------------- PyTorch

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "torch.json").read_text())


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize("case", GOLDEN, ids=str)
def test_pytorch_trains_alike(case: str) -> None:
    """Vectors of tests/golden/make_torch.py."""
    from tests.golden.make_torch import CASES

    config, x, y, start = CASES[case]
    history = fit(config, x, y, start).history
    golden = GOLDEN[case]
    assert [history[epoch].loss for epoch in golden["epochs"]] == pytest.approx(
        golden["losses"], rel=1e-9, abs=golden["absolute"]
    )
    assert history[-1].parameters[:20] == pytest.approx(golden["parameters"], rel=1e-9, abs=1e-9)


# -------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "activation",
    [
        (IDENTITY,),
        (SIGMOID,),
        (TANH,),
        (RELU, IDENTITY),
        (RELU, SIGMOID),
        (TANH, RELU, SIGMOID),
        (SIGMOID, TANH, IDENTITY),
    ],
    ids=lambda a: "-".join(x.name.lower() for x in a),
)
def test_gradients_are_the_finite_differences(
    activation: tuple[Activation, ...], bias: bool, loss: Loss
) -> None:
    if activation[-1] is not {Loss.CROSS: SIGMOID, Loss.SOFTMAX: IDENTITY}.get(loss, activation[-1]):
        return
    units = (*(3, 4, 5, 2)[: len(activation)], 2)
    config = Config(units, activation, bias=bias, loss=loss)
    random = Pcg32(5)
    x, y = ([random.uniform(-1, 1) for _ in range(n)] for n in (units[0], units[-1]))
    parameters = [random.uniform(-1, 1) for _ in range(config.count)]

    def loss_of(p: list[float]) -> float:
        z, values = forward(config, p, x)
        return float(measure(config, z, values[-1], y)[0])

    z, values = forward(config, parameters, x)
    gradient = backward(config, parameters, values, measure(config, z, values[-1], y)[1])
    for i in range(config.count):
        ends = [[*parameters[:i], parameters[i] + h, *parameters[i + 1 :]] for h in (1e-6, -1e-6)]
        difference = (loss_of(ends[0]) - loss_of(ends[1])) / 2e-6
        assert gradient[i] == pytest.approx(difference, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_a_step_goes_down_the_weighted_loss_and_half_the_squared_weights(
    loss: Loss, weighted: bool, l2: float
) -> None:
    """Each loss by its textbook formula, by numpy's own functions."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 3)), np.eye(4)[rng.integers(0, 4, 9)]
    weights = rng.uniform(0.5, 2, 9) if weighted else np.ones(9)
    last = SIGMOID if loss is Loss.CROSS else IDENTITY
    config = Config((3, 5, 4), (TANH, last), loss=loss, l2=l2, rate=1e-3)
    start = rng.normal(size=config.count)

    def data_loss(p: np.ndarray) -> float:
        w, b, v, c = p[:15].reshape(5, 3), p[15:20], p[20:40].reshape(4, 5), p[40:]
        z = np.tanh(x @ w.T + b) @ v.T + c
        a = 1 / (1 + np.exp(-z)) if last is SIGMOID else z
        a_sample = {
            Loss.MEAN: ((a - y) ** 2).mean(axis=1),
            Loss.HALF: ((a - y) ** 2).mean(axis=1) / 2,
            Loss.SUM: ((a - y) ** 2).sum(axis=1),
            Loss.SOFTMAX: np.log(np.exp(z).sum(axis=1)) - z[y == 1],
        }
        if loss is Loss.CROSS:
            a_sample[loss] = -np.where(y == 1, np.log(a), np.log(1 - a)).mean(axis=1)
        counted = weights * a_sample[loss]
        return float(counted.sum() if loss is Loss.SUM else counted.mean())

    def objective(p: np.ndarray) -> float:
        return data_loss(p) + l2 / 2 * float((p[:15] ** 2).sum() + (p[20:40] ** 2).sum())

    learner = begin(config, x, y, start.tolist(), weights if weighted else None)
    step(learner)
    assert learner.loss == pytest.approx(data_loss(start), rel=1e-13)
    slopes = [(objective(start + h) - objective(start - h)) / 2e-5 for h in 1e-5 * np.eye(config.count)]
    assert (start - learner.parameters) / config.rate == pytest.approx(slopes, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_any_size_make_shares(dtype: type) -> None:
    top = float(np.finfo(dtype).max)
    config = Config((1, 3), (IDENTITY,), bias=False, loss=Loss.SOFTMAX, rate=1.0, dtype=dtype)
    for right, expected in ((0, 0.0), (1, dtype(top) / 2), (2, top)):
        learner = begin(config, [[1.0]], np.eye(3)[[right]], [top, top / 2, 0.0])
        step(learner)
        assert learner.loss == expected
        assert learner.parameters == [top, top / 2 + (right == 1), float(right == 2)]
    learner = begin(config, [[1.0]], [[0, 1, 0]], [-top, -top, -top])
    step(learner)
    assert learner.loss == learn.log(dtype(3))


# --------------------------------------------------------------------------------------- order of operations


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(IDENTITY,), (RELU, IDENTITY), (SIGMOID,), (TANH, TANH, IDENTITY)])
def test_columns_and_scalars_take_the_same_operations(
    shape: tuple[Activation, ...], dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = {SIGMOID: Loss.CROSS, TANH: Loss.SOFTMAX}.get(shape[0], Loss.MEAN)
    config = Config(
        (*(5, 3, 4)[: len(shape)], 2), shape, loss=loss, batch=40, rate=0.05, l2=0.01, dtype=dtype
    )
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(100, 5)), generator.integers(0, 2, (100, 2))
    weights = generator.uniform(0, 2, 100)
    start = random_start(config, 3)
    traces = []
    for columns_from in (2, 1000):
        monkeypatch.setattr(learn, "COLUMNS_FROM", columns_from)
        learner = begin(config, x, y, start, weights)
        trace = []
        for _ in range(30):
            step(learner)
            trace.append([float(learner.loss), *map(float, learner.parameters)])
        traces.append(trace)
    assert traces[0] == traces[1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_total_is_the_sum_in_order(values: list[float]) -> None:
    expected = 0.0
    for value in values:
        expected += value
    result = float(total(np.array(values)))
    assert result == expected
    assert math.copysign(1, result) == math.copysign(1, expected)


def test_float32_is_float32() -> None:
    end = wx(batch=1, epochs=3, dtype=np.float32)[-1]
    assert end.w[0] == float(np.float32(end.w[0]))
    assert end.w[0] != wx(batch=1, epochs=3)[-1].w[0]


# --------------------------------------------------------------------------------------- exp, log1p, randomness


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_of_exp_log1p_and_log(dtype: type) -> None:
    lowest = learn.EXP_LOWEST[dtype]
    x = np.linspace(lowest, 0, 200_001).astype(dtype)
    wide = np.longdouble
    true = np.exp(x.astype(wide))
    ulp = np.spacing(true.astype(dtype)).astype(wide)
    assert float((np.abs(learn.exp(x).astype(wide) - true) / ulp).max()) < 1.5
    e = np.linspace(0, 1, 100_001).astype(dtype)
    true = np.log1p(e.astype(wide))
    ulp = np.spacing(true.astype(dtype)).astype(wide)
    assert float((np.abs(learn.log1p(e).astype(wide) - true) / ulp).max()) < 3
    s = np.concatenate([np.linspace(1, 64, 100_001), np.nextafter(2.0 ** np.arange(1, 7), 0)]).astype(dtype)
    true = np.log(s.astype(wide))
    ulp = np.spacing(true.astype(dtype)).astype(wide)
    assert float((np.abs(learn.log(s).astype(wide) - true) / ulp).max()) < 3


def test_exp_at_its_ends() -> None:
    assert learn.exp(0.0) == 1
    assert learn.exp(-0.0) == 1
    assert learn.exp(-800.0) == 0
    assert learn.exp(-math.inf) == 0
    assert math.isnan(learn.exp(math.nan))


def test_pcg32_is_the_published_one() -> None:
    # pcg32-demo of pcg-c-basic, round 1: numbers, coins, rolls, cards.
    random = Pcg32(42, 54)
    numbers = [0xA15C02B7, 0x7B47F409, 0xBA1D3330, 0x83D2F293, 0xBFA4784B, 0xCBED606E]
    assert [random.next() for _ in range(6)] == numbers
    coins = "HHTTTHTHHHTHTTTHHHHHTTTHHHTHTHTHTTHTTTHHHHHHTTTTHHTTTTTHTTTTTTTHT"
    assert "".join("TH"[random.below(2)] for _ in coins) == coins
    rolls = "3 4 1 1 2 2 3 2 4 3 2 4 3 3 5 2 3 1 3 1 5 1 4 1 5 6 4 6 6 2 6 3 3"
    assert " ".join(str(random.below(6) + 1) for _ in rolls.split()) == rolls
    cards = [number + suit for number in "A23456789TJQK" for suit in "hcds"]
    random.shuffle(cards)
    dealt = (
        "Qd Ks 6d 3s 3d 4c 3h Td Kc 5c Jh Kd Jd As 4s 4h Ad Th Ac Jc 7s Qs 2s 7h Kh 2d 6c Ah 4d Qh 9h 6s "
        "5s 2c 9c Ts 8d 9s 3c 8c Js 5d 2h 6h 7d 8s 9d 5h 8h Qc 7c Tc"
    )
    assert " ".join(cards) == dealt


# -------------------------------------------------------------------------------------------------- stopping


def test_progress_is_told_every_epoch() -> None:
    seen: list[tuple[str, int, int]] = []
    fit(replace(LINE, epochs=3), WX.x, WX.y, [1.0], progress=lambda *a: seen.append(a))
    assert seen == [("training", 1, 3), ("training", 2, 3), ("training", 3, 3)]


def test_tolerance_ends_a_training_that_hardly_moves() -> None:
    done = wxb(tolerance=1e-6)
    assert 10 < len(done.history) < 1000
    assert abs(done.history[-1].loss - done.history[-2].loss) < 1e-6
    assert abs(done.history[-2].loss - done.history[-3].loss) >= 1e-6
    assert done.stopped == "the loss changed by less than 1e-06"


def test_patience_takes_the_lowest_validation_loss() -> None:
    random = Pcg32(9)
    x = np.array([[random.uniform(-1, 1) for _ in range(12)] for _ in range(30)])
    y = x[:, 0] + np.array([random.uniform(-1, 1) for _ in range(30)])
    config = Config((12, 16, 1), (RELU, IDENTITY), adam=True, rate=0.02, epochs=2000)
    held_out = (x[15:], y[15:])
    done = fit(config, x[:15], y[:15], random_start(config, 0), validation=held_out, patience=25)
    assert done.stopped == "no lower validation loss for 25 epochs"
    assert done.end is done.history[-26]
    assert done.end.validation == min(e.validation or 0 for e in done.history)
    assert done.end.validation == mean_loss(config, done.end.parameters, *held_out)


# ------------------------------------------------------------------------------------------------- stability


def test_stable_rate_of_the_articles_data() -> None:
    # Hessian of the mean of (w x - y)^2 is 2 mean(x^2) = 28/3; of the worst sample's loss 2 * 3^2.
    assert stable_rate(LINE, WX.x) == pytest.approx(3 / 14, rel=1e-12)
    assert stable_rate(replace(LINE, loss=Loss.HALF), WX.x) == pytest.approx(3 / 7, rel=1e-12)
    assert stable_rate(replace(LINE, loss=Loss.SUM), WX.x) == pytest.approx(1 / 14, rel=1e-12)
    assert stable_rate(replace(LINE, batch=1), WX.x) == pytest.approx(1 / 9, rel=1e-12)
    assert stable_rate(replace(LINE, batch=2), WX.x) == pytest.approx(1 / 9, rel=1e-12)
    assert stable_rate(GATE, AND.x) == pytest.approx(1 / 3, rel=1e-12)


def test_without_slope_every_rate_is_stable() -> None:
    zero = np.zeros((3, 1))
    assert stable_rate(LINE, zero) == math.inf
    assert fit(replace(LINE, rate=1e9, epochs=5), zero, [1, 2, 3], [1.0]).end.w == [1.0]


@pytest.mark.parametrize(
    ("rate", "what"), [(0.22, "grew from 4.667"), (2.0, "grew from"), (100.0, "no longer finite")]
)
def test_a_rate_too_large_names_the_largest_stable_one(rate: float, what: str) -> None:
    with pytest.raises(NeuronError) as error:
        wx(rate)
    assert what in str(error.value)
    assert "largest stable rate for this data is 0.214286" in str(error.value)
    assert "\n" not in str(error.value)


def test_rates_up_to_the_limit_pass() -> None:
    assert wx(0.214)[-1].loss < 4.666666666666667


def test_sgd_names_the_rate_of_its_worst_sample() -> None:
    with pytest.raises(NeuronError, match=r"largest stable rate for this data is 0\.111111"):
        wx(0.6, batch=1)


def test_sgd_above_its_worst_samples_rate_may_still_converge() -> None:
    assert abs(wx(0.15, batch=1)[-1].w[0] - 2) < 1e-9


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.34, 0.4, 0.45])
def test_no_false_alarm_for_sgd_that_hovers_about_the_optimum(rate: float) -> None:
    # From the least-squares optimum of AND the loss can only grow, but it stays: that is no divergence.
    history = fit(replace(GATE, rate=rate, epochs=200), AND.x, AND.y, [1.0, 1.0, -1.5]).history
    assert len(history) == 200
    assert history[-1].loss < 100


@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_sgd_that_climbs_for_ever_is_caught(rate: float) -> None:
    # At 0.5 the loss of AND grows as the square of the epochs: no eigenvalue is above 1, and yet no bound.
    with pytest.raises(NeuronError, match=r"largest stable rate for this data is 0\.333333"):
        fit(replace(GATE, rate=rate, epochs=200), AND.x, AND.y, [1.0, 1.0, -1.5])


def test_a_column_of_zeros_is_no_divergence() -> None:
    x = np.hstack([AND.x, np.zeros((4, 1))])
    config = replace(GATE, units=(3, 1), rate=0.4, epochs=200)
    assert fit(config, x, AND.y, [1.0, 1.0, 0.5, -1.5]).end.w[2] == 0.5


def test_a_start_too_large_for_the_arithmetic_is_said_so() -> None:
    with pytest.raises(NeuronError, match="start from smaller weights"):
        fit(replace(LINE, epochs=2), WX.x, WX.y, [1e200])


def test_weights_and_l2_are_in_the_largest_stable_rate() -> None:
    weights, config = np.array([1.0, 2.0, 0.5]), replace(LINE, l2=0.5)
    # Of the mean of weight (w x - y)^2, and l2 w^2 / 2: 2 mean(weight x^2) + l2.
    assert stable_rate(config, WX.x, weights) == pytest.approx(2 / (2 * 13.5 / 3 + 0.5), rel=1e-12)
    assert stable_rate(replace(config, batch=1), WX.x, weights) == pytest.approx(2 / (2 * 8 + 0.5), rel=1e-12)
    limit = stable_rate(config, WX.x, weights)
    fit(replace(config, rate=0.999 * limit), WX.x, WX.y, [1.0], weights=weights)
    with pytest.raises(NeuronError, match=f"largest stable rate for this data is {limit:.6g}"):
        fit(replace(config, rate=1.01 * limit, epochs=1000), WX.x, WX.y, [1.0], weights=weights)


def test_l2_that_brings_a_network_to_nothing_is_no_divergence() -> None:
    config = Config((2, 2), (IDENTITY,), bias=False, loss=Loss.SOFTMAX, l2=50.0, rate=0.01, epochs=2000)
    x = np.eye(2)[[0] * 9 + [1]]
    start = [30.0, -30.0, -30.0, 30.0]
    end = fit(config, x, x, start).end
    assert end.loss == pytest.approx(math.log(2), rel=0.05)
    assert end.loss > 2 * max(mean_loss(config, start, x, x), -0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    with pytest.raises(NeuronError, match="training diverges"):
        fit(replace(config, rate=0.1), x, x, start)


def test_a_network_that_explodes_is_one_line() -> None:
    data = synthetic()
    with pytest.raises(NeuronError, match=r"try --lr 0\.01 and standardised data"):
        fit(replace(NETWORK, rate=0.1), data.x, data.y, random_start(NETWORK, 0))


def test_no_false_alarm_for_adam_about_the_optimum() -> None:
    config = replace(LINE_B, adam=True, epochs=50)
    assert fit(config, WXB.x, WXB.y, [2.0, 0.0]).end.w == [2.0]


def test_relu_hides_no_parameter_that_is_lost() -> None:
    config = replace(NETWORK, rate=1e200, epochs=3)
    data = synthetic()
    *_, (_, parameters) = epochs(config, data.x, data.y, random_start(config, 0))
    assert not all(map(math.isfinite, parameters))


@pytest.mark.parametrize(
    "config",
    [
        NETWORK,
        replace(NETWORK, bias=False),
        replace(NETWORK, activation=(Activation.TANH, IDENTITY), loss=Loss.SOFTMAX),
    ],
)
def test_the_loss_of_many_samples_is_that_of_each(config: Config) -> None:
    data = synthetic()
    parameters = random_start(config, 4)
    losses = []
    for x, y in zip(data.x.tolist(), data.y.tolist(), strict=True):
        z, values = forward(config, parameters, x)
        losses.append(measure(config, z, values[-1], y)[0])
    assert mean_loss(config, parameters, data.x, data.y) == np.mean(losses)

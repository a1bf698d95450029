"""What the lessons show, and the exercises: every number here comes out of the training and the node themselves.

Lesson 6, which needs pandas, is in flowers.py, lesson 7 in pump.py.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from host.boards.opening import open_node
from host.core.fixed import fixed_from_float
from host.core.learn import Config
from host.core.wire import BY_NAME, Loss
from host.lessons import flowers, pump
from host.lessons.lesson import PROGRAM, Exercise, Facts, Lesson, block, table, trained
from host.models.dense import reference
from host.node.proof import Row
from host.node.staging import deploy
from host.show import tables
from host.training import grid
from host.training.fit import Epoch, Fit, epochs, fit
from host.training.scores import question_of
from host.training.stability import stable_rate
from host.training.trained import Trained


def samples(data: Any) -> str:
    """One input and its target, sample by sample."""
    return table([["x", *(f"{v:g}" for v in data.x[:, 0])], ["y", *(f"{v:g}" for v in data.y)]])


# ------------------------------------------------------------------------------------------------- 1 search

SEARCH = f"{PROGRAM} --model wx --algorithm grid --grid 0,4,0.1"
COARSE = f"{PROGRAM} --model wx --algorithm grid --grid 0,4,0.3"
BAR = 50


def show_search(drawn: bool) -> Facts:
    result = trained(SEARCH)
    (points,) = grid.axes([(0, 4, 0.1)])
    every_fifth = points[::5]
    losses = grid.loss_at(result.config, [np.array(every_fifth)], result.data.x, result.data.y)
    bars = [
        f"{w:6.1f} {loss:9.4f}  {('█' if drawn else '#') * round(loss / losses.max() * BAR)}".rstrip()
        for w, loss in zip(every_fifth, losses.tolist(), strict=True)
    ]
    (one,) = grid.loss_at(result.config, [np.array([1.0])], result.data.x, result.data.y).tolist()
    errors = [1.0 * x - y for x, y in zip(result.data.x[:, 0], result.data.y, strict=True)]
    return {
        "samples": samples(result.data),
        "errors": errors,
        "squares": " + ".join(f"{e * e:g}" for e in errors),
        "count": len(errors),
        "one": one,
        "bars": block(["     w      loss", *bars]),
        "points": len(points),
        "w": result.fit.end.w[0],
        "loss": result.fit.end.loss,
        "two": len(points) ** 2,
        "ten": float(len(points)) ** 10,
    }


def search_exercise() -> Exercise:
    result = trained(COARSE)
    best, step = result.fit.end.w[0], 0.3
    return Exercise(
        best,
        1e-6,
        {"true": 2.0, "neighbour": round(best - step, 6)},
        {"w": best, "loss": result.fit.end.loss},
    )


# ------------------------------------------------------------------------------------------------ 2 descent

DESCENT = f"{PROGRAM} --model wx --algorithm batch --lr 0.01 --epochs 100"
ONE_STEP = f"{PROGRAM} --model wx --algorithm batch --lr 0.05 --epochs 1"


def slopes(w: float, x: Sequence[float], y: Sequence[float]) -> list[float]:
    """The derivative of each sample's squared error by w."""
    return [2 * xi * (w * xi - yi) for xi, yi in zip(x, y, strict=True)]


def descend(
    w: float, x: Sequence[float], y: Sequence[float], rate: float, epochs: int, forget: bool
) -> float:
    """Batch descent as the article wrote it; with `forget` it says `grad =` where `grad +=` was meant."""
    for _ in range(epochs):
        grad = 0.0
        for slope in slopes(w, x, y):
            if forget:
                grad = slope
            else:
                grad += slope
        w = w - rate * (grad / len(x))
    return w


def show_descent(drawn: bool) -> Facts:
    result = trained(DESCENT)
    x, y, history = result.data.x[:, 0].tolist(), result.data.y.tolist(), result.fit.history
    by_sample = slopes(1.0, x, y)
    rows = [["x", "y", "w·x" if drawn else "w.x", "error", "slope"]] + [
        [f"{v:g}" for v in (xi, yi, xi, xi - yi, slope)]
        for xi, yi, slope in zip(x, y, by_sample, strict=True)
    ]
    return {
        "slopes": table(rows),
        "count": len(x),
        "rate": result.config.rate,
        "gradient": sum(by_sample) / len(x),
        "first": history[0].w[0],
        "epochs": len(history),
        "table": block(tables.training_table(history, rows=4)),
        "right": history[-1].w[0],
        "forgotten": descend(1.0, x, y, result.config.rate, len(history), forget=True),
        "last": by_sample[-1] / len(x),
    }


def descent_exercise() -> Exercise:
    result = trained(ONE_STEP)
    x, y, rate = result.data.x[:, 0].tolist(), result.data.y.tolist(), result.config.rate
    step = -rate * sum(slopes(1.0, x, y)) / len(x)
    mistakes = {
        "uphill": 1 - step,
        "same": trained(DESCENT).fit.history[0].w[0],
        "forgotten": descend(1.0, x, y, rate, 1, forget=True),
        "sum": 1 + step * len(x),
        "half": 1 + step / 2,
        "step": step,
    }
    return Exercise(result.fit.end.w[0], 0.0015, mistakes, {"w": result.fit.end.w[0], "step": step})


# ---------------------------------------------------------------------------------------------- 3 explosion

EXPLOSION = f"{PROGRAM} --model wxb --loss mse --lr 0.1"
HALF = f"{PROGRAM} --model wxb"
SLOW = f"{PROGRAM} --model wxb --loss mse --lr 0.01"


def show_explosion(drawn: bool) -> Facts:
    half, slow = trained(HALF), trained(SLOW)
    x, y = half.data.x, half.data.y
    wild = replace(half.config, loss=Loss.MEAN, rate=0.1, epochs=5)
    history = [Epoch(n, loss, [w], b) for n, (loss, (w, b)) in enumerate(epochs(wild, x, y, [0.0, 0.0]))]
    limit = stable_rate(wild, x)
    curvature = 2 / limit
    (at_six,) = reference(half.layers, np.array([[6.0]]))[1][0].tolist()
    return {
        "samples": samples(half.data),
        "rate": half.config.rate,
        "epochs": len(half.fit.history),
        "w": half.fit.end.w[0],
        "b": half.fit.end.b,
        "six": at_six,
        "table": block(tables.training_table(history)),
        "wild_rate": wild.rate,
        "curvature": curvature,
        "factor": 1 - wild.rate * curvature,
        "limit": limit,
        "slow_rate": slow.config.rate,
        "slow_w": slow.fit.end.w[0],
        "slow_b": slow.fit.end.b,
        "slow_epochs": len(slow.fit.history),
    }


def explosion_exercise() -> Exercise:
    half = trained(HALF)
    x, limit = half.data.x, stable_rate(half.config, half.data.x)
    whole = stable_rate(replace(half.config, loss=Loss.MEAN), x)
    mistakes = {
        "same": whole,
        "halved": whole / 2,
        "rate": half.config.rate,
        "beyond": limit + 0.001,
        "curvature": 2 / limit,
    }
    facts = {"limit": limit, "curvature": 2 / limit}
    return Exercise(limit, 0.001, mistakes, facts, limit=True)


# --------------------------------------------------------------------------------------------------- 4 board

BOARD = f"{PROGRAM} --model and --deploy sim"
ASK, TELL = (1, 1, 4, 5, 4, 4, 2), (1, 1, 1, 2, 2, 2)
"""Bytes of each field of the request (function 23, two float32 inputs) and of its answer (two registers)."""


def on_node(result: Trained) -> tuple[list[Row], list[bytes]]:
    """Deploy to a simulated node, by the rows of the data; then the frames of one evaluation of the last, as `--trace`
    shows them."""
    with contextlib.redirect_stderr(io.StringIO()) as heard, open_node("sim", trace=True) as node:
        rows = list(deploy(node, result.image, x=question_of(result.parts).x).rows)
        node.evaluate_float(rows[-1].inputs, result.model.outputs)
    frames = [line.split("  ")[0] for line in heard.getvalue().splitlines() if line[:3] in ("-> ", "<- ")]
    return rows, [bytes.fromhex(frame[3:]) for frame in frames[-2:]]


def fields(frame: bytes, sizes: Sequence[int]) -> list[str]:
    """The frame's bytes in hex, field by field."""
    ends = list(itertools.accumulate(sizes))
    return [frame[end - size : end].hex(" ") for end, size in zip(ends, sizes, strict=True)]


def show_board(drawn: bool) -> Facts:
    result = trained(BOARD)
    layer, end = result.model.layers[0], result.end
    fraction = result.report.layers[0].weight_fraction
    values = [*end.w, end.b or 0.0]
    steps = [*fraction, layer.acc_fraction]
    whole = [*layer.weights[0].tolist(), int(layer.bias[0])]
    rows = [["", "trained", "integer", "step", "on the node"]] + [
        [name, f"{v:.10f}", str(q), f"2^-{f}", f"{q / 2**f:.10f}"]
        for name, v, q, f in zip(("w1", "w2", "b"), values, whole, steps, strict=True)
    ]
    evaluated, (ask, tell) = on_node(result)
    return {
        "samples": len(result.data),
        "epochs": len(result.fit.history),
        "integers": table(rows),
        "worst": result.report.error_bound,
        "margin": result.report.margin,
        "bytes": result.report.image_bytes,
        "rows": block(tables.node_table(evaluated, result.data, drawn=drawn)),
        "results": f"{BY_NAME['RESULT_BITS'].address:#06x}",
        "inputs": f"{BY_NAME['INPUTS_FLOAT'].address:#06x}",
        "ask": fields(ask, ASK),
        "tell": fields(tell, TELL),
    }


INT8_MAX = 127


def board_exercise() -> Exercise:
    """The board's weights have 16 bits. What if they had 8?"""
    result = trained(BOARD)
    w1, w2 = result.end.w
    fraction = max(f for f in range(16) if max(fixed_from_float(w, f) for w in (w1, w2)) <= INT8_MAX)
    exact, right = w2 * 2**fraction, int(fixed_from_float(w2, fraction))
    mistakes = {
        "truncated": int(exact),
        "first": int(fixed_from_float(w1, fraction)),
        "finer": int(fixed_from_float(w2, fraction + 1)),
        "coarser": int(fixed_from_float(w2, fraction - 1)),
        "sixteen": int(result.model.layers[0].weights[0, 1]),
    }
    facts = {"weight": w2, "fraction": fraction, "exact": exact, "q": right, "back": right / 2**fraction}
    return Exercise(right, 0.01, mistakes, facts)


# ------------------------------------------------------------------------------------------------- 5 network

NETWORK = f"{PROGRAM} --model mlp --layers 2-4-1 --deploy sim"
STUCK = f"{PROGRAM} --model mlp --layers 2-4-1 --seed 2"
NARROW = f"{PROGRAM} --model mlp --layers 2-4-1 --epochs 1"
WIDER = f"{PROGRAM} --model mlp --layers 2-8-1 --epochs 1"


def most_right(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Of single neurons on a grid of w1, w2, b: how many there are, and how many samples the best gets right."""
    points = np.array(list(itertools.product(*grid.axes([(-2, 2, 0.25)] * 3))))
    fires = points[:, :2] @ x.T + points[:, 2:] > 0
    return len(points), int((fires == (y > 0.5)).sum(axis=1).max())


def one_neuron(data: Any) -> Fit:
    """Descent with a single linear neuron on these samples."""
    and_config = trained(BOARD).config
    config = Config(and_config.units, and_config.activation, batch=0, epochs=1000, rate=0.1)
    return fit(config, data.x, data.y, [0.0, 0.0, 0.0])


def rows_right(result: Trained) -> int:
    outputs = reference(result.layers, result.data.x)[1][:, 0]
    return int(((outputs > result.report.led_threshold) == (result.data.y > 0.5)).sum())


def dead(result: Trained) -> list[int]:
    """The hidden neurons that are 0 on every row."""
    hidden = reference(result.layers[:1], result.data.x)[1]
    return np.flatnonzero(~hidden.any(axis=0)).tolist()


def show_network(drawn: bool) -> Facts:
    result, stuck = trained(NETWORK), trained(STUCK)
    data = result.data
    tried, most = most_right(data.x, data.y)
    alone = one_neuron(data).end
    hidden = reference(result.layers[:1], data.x)[1]
    seen = [["x1", "x2", *(f"h{i + 1}" for i in range(hidden.shape[1])), "target"]] + [
        [f"{v:g}" for v in x] + [f"{h:.2f}" for h in values] + [f"{y:g}"]
        for x, values, y in zip(data.x, hidden.tolist(), data.y, strict=True)
    ]
    evaluated, _ = on_node(result)
    return {
        "tried": tried,
        "most": most,
        "rows_count": len(data),
        "alone_w1": abs(alone.w[0]),
        "alone_w2": abs(alone.w[1]),
        "alone_b": alone.b,
        "parameters": result.config.count,
        "epochs": len(result.fit.history),
        "first_loss": result.fit.history[0].loss,
        "last_loss": result.fit.history[-1].loss,
        "hidden": table(seen),
        "rows": block(tables.node_table(evaluated, data, drawn=drawn)),
        "bytes": result.report.image_bytes,
        "dead": ", ".join(f"h{number + 1}" for number in dead(result)),
        "stuck_right": rows_right(stuck),
        "stuck_output": reference(stuck.layers, data.x)[1].mean(),
        "stuck_dead": len(dead(stuck)),
    }


def network_exercise() -> Exercise:
    config = trained(WIDER).config
    inputs, hidden, outputs = config.units
    weights = inputs * hidden + hidden * outputs
    mistakes = {
        "weights": weights,
        "hidden": weights + hidden,
        "units": sum(config.units),
        "narrow": trained(NARROW).config.count,
    }
    return Exercise(config.count, 0.01, mistakes, {"weights": weights, "count": config.count})


LESSONS = (
    Lesson(SEARCH, show_search, search_exercise),
    Lesson(DESCENT, show_descent, descent_exercise),
    Lesson(EXPLOSION, show_explosion, explosion_exercise, status=2),
    Lesson(BOARD, show_board, board_exercise),
    Lesson(NETWORK, show_network, network_exercise),
    flowers.LESSON,
    pump.LESSON,
)
"""Number 1 first."""

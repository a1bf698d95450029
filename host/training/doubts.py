"""What is to be said of a training before anyone relies on it, and what to try."""

from __future__ import annotations

import math

import numpy as np

from host.core.load import too_slow
from host.errors import counted, listed
from host.models.changed import CHANGED_MAX
from host.models.dense import Float
from host.training.stability import constant_loss, stable_rate
from host.training.trained import Trained

FALLING = 0.01
"""Not converged: the loss still fell by this share of a constant's loss in the last tenth of all epochs."""
CHANCE = 2.0
"""Standard errors: what is better than nothing by less may be chance."""
FLAT = 1e-3
"""Collapsed: an output reaches over less than this share of its target's reach."""
FEW = 30
"""Rows held out of which a better score may well be chance."""
AGAIN = 0.2
"""Share of the test rows that may be learnt from too without a word: data of few steps repeat themselves."""
R2_LOST = 0.05
"""R2 that fixed point may lose without a word."""
SCALE_TARGET = "scale the target: its values are too small for the outputs' steps"
NAMED_MAX = 5
"""Names that a sentence lists."""


def doubts(trained: Trained) -> list[str]:
    """A sentence for each; none where nothing is to be said."""
    beside = (
        *trained.plan.notes,
        trained.setback,
        _nothing_held_out(trained),
        _no_test_part(trained),
        _unseen_classes(trained),
        _seen_before(trained),
        _one_stretch(trained),
        _unused_inputs(trained),
        _beyond_the_ranges(trained) or _lost_in_fixed_point(trained),
        too_slow(trained.model),
    )
    checks = (_nothing_to_learn, _on_the_edge, _not_converged, _no_use)  # the first that has something to say
    cause = next(filter(None, (check(trained) for check in checks)), "")
    return [said for said in (*beside, cause) if said]


def _nothing_held_out(trained: Trained) -> str:
    if not trained.plan.too_few_to_split:
        return ""
    rows = counted(len(trained.data), "row")
    return f"{rows} are too few to hold any out: every score is of rows that it has learnt from"


def _unseen_classes(trained: Trained) -> str:
    """Classes of the data that are not learnt, as the training part has no row of them, or not judged."""
    if not trained.data.classes:
        return ""
    for part, why in (("training", "it cannot be learnt"), ("test", "its scores say nothing of that")):
        if part in trained.parts:
            unseen = np.setdiff1d(trained.data.labels, trained.parts[part].labels)
            if len(unseen):
                names = [trained.classes[number] for number in unseen.tolist()]
                return f"no row of the {part} part is of class {listed(names, NAMED_MAX)}: {why}"
    return ""


def _seen_before(trained: Trained) -> str:
    """Rows of the test part that have been learnt from: what is right there may be memory."""
    test = trained.parts.get("test")
    if test is None or not trained.plan.own_data or test.windows is not None:  # windows share no scan
        return ""
    learnt = {row.tobytes() for row in trained.parts["training"].x}
    again = sum(row.tobytes() in learnt for row in test.x)
    if again <= AGAIN * len(test):
        return ""
    return (
        f"{again} of {counted(len(test), 'test row')} have inputs of training rows too: "
        "what is right there may be memory"
    )


def _one_stretch(trained: Trained) -> str:
    """Recordings in which a class and a time are the same thing: what tells them apart may be either."""
    windows, data = trained.data.windows, trained.data
    if windows is None or not data.classes or "test" not in trained.parts:
        return ""
    labels = data.labels
    begins = np.concatenate([[True], (np.diff(labels) != 0) | (np.diff(windows.of) != 0)])
    if (np.bincount(labels[begins], minlength=len(data.classes)) > 1).any():
        return ""
    return (
        "each class was recorded in one stretch, of which the test part is the end: that it is told there says nothing "
        "of another day; record each once more"
    )


def _no_test_part(trained: Trained) -> str:
    if not trained.plan.own_data or "validation" not in trained.parts or "test" in trained.parts:
        return ""
    return (
        "no test part: the validation part chose the epoch, so its scores flatter; give --split three shares, as "
        "70,15,15"
    )


def _beyond_the_ranges(trained: Trained) -> str:
    """Rows that the node would call OUT_OF_RANGE."""
    low, high = np.array(trained.report.ranges, dtype=np.float64).T
    rows = int(((trained.data.x < low) | (trained.data.x > high)).any(axis=1).sum())
    if not rows:
        return ""
    return (
        f"{counted(rows, 'row')} held out {'has' if rows == 1 else 'have'} inputs beyond the ranges that the model is "
        "made for: declare them by --range"
    )


def _lost_in_fixed_point(trained: Trained) -> str:
    """What 16 bits are too few for."""
    if trained.changed.share > CHANGED_MAX:
        return f"{trained.changed.in_words()}: --deploy asks for --allow-changed"
    for part, both in trained.metrics.items():
        ours, theirs = both["float"].get("r2"), both["fixed"].get("r2")
        if ours is not None and theirs is not None and ours - theirs > R2_LOST:
            return f"fixed point loses R2 in the {part} part, {ours:.3g} to {theirs:.3g}; {SCALE_TARGET}"
    return ""


def _unused_inputs(trained: Trained) -> str:
    scaler = trained.plan.samples.input_scaler
    names = [] if scaler is None else scaler.unused(trained.data.inputs)
    if not names:
        return ""
    return f"the same in every training row, and so left unused: {listed(names, NAMED_MAX)}"


def _nothing_to_learn(trained: Trained) -> str:
    if np.ptp(trained.parts["training"].targets, axis=0).any():
        return ""
    return "the target is the same in every training row: there is nothing to learn"


def _on_the_edge(trained: Trained) -> str:
    """The best point of a grid lies at its end: what is beyond was not looked at."""
    axes = trained.plan.axes or []
    at_edge, wider = [], []
    for name, value, axis in zip(_names(trained), trained.fit.end.parameters, axes, strict=False):
        low, high, step = axis[0], axis[-1], (axis[1] - axis[0] if len(axis) > 1 else 1.0)
        reach = high - low
        if reach and value in (low, high):
            at_edge.append(f"{name} = {value:g}")
            low, high = (low - reach, high) if value == low else (low, high + reach)
        wider += [low, high, step]
    if not at_edge:
        return ""
    values = ",".join(f"{value:.6g}" for value in wider)
    return f"on the edge of its grid: {', '.join(at_edge)}; the best may lie beyond, try --grid={values}"


def _names(trained: Trained) -> list[str]:
    several = len(trained.data.inputs) > 1
    return [*(f"w{number}" if several else "w" for number, _ in enumerate(trained.data.inputs, 1)), "b"]


def _not_converged(trained: Trained) -> str:
    fit = trained.fit
    tenth = fit.epochs - max(1, fit.epochs // 10)
    if trained.plan.algorithm == "grid" or fit.stopped or fit.end.epoch < tenth:
        return ""
    if trained.decide and trained.metrics["training"]["float"]["accuracy"] == 1:
        return ""  # a loss of probabilities falls for ever where every row is right
    loss = trained.measures["training"]
    earlier = [epoch.parameters for epoch in fit.history if epoch.epoch < tenth]
    before, after = loss(earlier[-1] if earlier else trained.start), loss(fit.history[-1].parameters)
    _, y = trained.plan.samples.of("training")
    if before - after <= FALLING * constant_loss(trained.config, y, trained.plan.samples.weights):
        return ""
    return (
        f"not converged: in the last tenth of {counted(fit.epochs, 'epoch')} the loss still fell from {before:.4g} to "
        f"{after:.4g}; try --epochs {10 * fit.epochs}{_or_faster(trained)}"
    )


def _or_faster(trained: Trained) -> str:
    """A larger rate, where there is room for one."""
    config, samples = trained.config, trained.plan.samples
    if config.adam:
        return ""
    if len(config.activation) > 1:
        return " or a larger --lr"
    good = stable_rate(config, samples.of("training")[0], samples.weights) / 2
    return f" or --lr {good:.2g}" if good > 2 * config.rate else ""


def _no_use(trained: Trained) -> str:
    """It says the same of every row, or is no better than one who does."""
    collapsed = _collapsed(trained)
    if collapsed:
        return f"collapsed: {collapsed} in every training row; {_advice(trained)}"
    held_out = [part for part in trained.parts if part != "training"]
    rows = held_out or ["training"]
    ours, base = (
        np.concatenate(both) for both in zip(*(_worth(trained, part) for part in rows), strict=True)
    )
    gain = ours - base
    if _beyond_chance(gain) if held_out else gain.mean() > 0:
        return ""
    figures = f"{100 * ours.mean():.1f} % right against {100 * base.mean():.1f} %{_how_weighted(trained)}"
    if trained.decide is None:
        figures = f"R2 {1 - ours.sum() / base.sum():.2g}"
    better = "hardly" if gain.mean() > 0 else "no"
    of = f"{counted(len(gain), 'row')} {'held out' if held_out else 'that it has learnt from'}"
    if gain.mean() > 0 and len(gain) < FEW:
        return (
            f"better than always the same answer, on {of}: {figures}; so few rows may say that by chance: try more "
            "rows, or a larger part held out by --split"
        )
    return f"{better} better than always the same answer, on {of}: {figures}; {_advice(trained)}"


def _beyond_chance(gain: Float) -> bool:
    """Whether a mean above 0 is more than chance would often make it, by the gains' sizes or by their signs."""
    several = math.sqrt(len(gain)) / CHANCE
    return bool(gain.mean() > 0) and any(one.mean() * several > one.std() for one in (gain, np.sign(gain)))


def _collapsed(trained: Trained) -> str:
    """What it says of every row, where that is always the same."""
    outputs, data = trained.outputs["training"]["float"], trained.parts["training"]
    if trained.decide is not None:
        decided = np.unique(trained.decide(outputs), axis=0)
        what = trained.classes[int(decided[0])] if trained.classes else "the same"
        return f"it says {what}" if len(decided) == 1 else ""
    flat = np.ptp(outputs, axis=0) < FLAT * np.ptp(data.targets, axis=0)
    names = [name for name, one in zip(data.outputs_named, flat.tolist(), strict=True) if one]
    return f"{listed(names, NAMED_MAX)} comes out the same" if names else ""


def _worth(trained: Trained, part: str) -> tuple[Float, Float]:
    """(rows,) of a part, ours and of one who always says the most frequent class or the mean of the training part.

    Of classes 1 where all is right, else 0, times the class's weight where classes have some; of numbers minus the
    squared error, each target's in units of its variance."""
    decide, training, data = trained.decide, trained.parts["training"], trained.parts[part]
    said = trained.outputs[part]["float"]
    if decide is None:
        mean, variance = training.targets.mean(axis=0), training.targets.var(axis=0)
        unit = np.where(variance > 0, variance, 1.0)
        ours, base = (-((data.targets - one) ** 2 / unit).sum(axis=1) for one in (said, mean))
        return ours, base
    known, true = (
        (one.labels if trained.classes else decide(one.targets)).reshape(len(one), -1)
        for one in (training, data)
    )
    often = np.array([np.bincount(column).argmax() for column in known.T])
    weights = trained.plan.samples.weights_of(part)
    counts = np.ones(len(data)) if weights is None else weights
    ours, base = ((one == true).all(axis=1) * counts for one in (decide(said).reshape(true.shape), often))
    return ours, base


def _how_weighted(trained: Trained) -> str:
    return ", every class counting the same" if trained.plan.samples.weights is not None else ""


def _advice(trained: Trained) -> str:
    plan = trained.plan
    tries = []
    if plan.own_data and not plan.standardised:
        tries.append("leave --no-standardise out")
    if plan.name == "mlp":
        tries.append("try --tries 5, or more units by --layers")
    else:
        tries.append("try --model mlp, or other inputs")
    if trained.decide is not None and plan.samples.weights is None:
        tries.append("--class-weight balanced where a class is rare")
    return ", ".join(tries)

"""How good a model is, as tables and lines of text within 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.core.decide import AT_ONCE
from host.errors import counted
from host.show.tables import INDENT, NAME_WIDTH, aligned, shortened, wrapped
from host.training.scores import Question, Scores, confused

if TYPE_CHECKING:
    from host.training.trained import Trained

CLASSES_SHOWN, TARGETS_SHOWN, PAIRS_SHOWN = 12, 8, 3


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def closeness(scores: Scores) -> str:
    """'R2 0.48, rmse 54', of scores of numbers."""
    return f"R2 {_number(scores['r2'])}, rmse {_number(scores['rmse'])}"


def scores_in_words(trained: Trained) -> list[str]:
    """How good the model is in each part, beside the baseline; then, of the part that it has learnt least from, each
    class or each target; and what fixed point changes."""
    last = list(trained.parts)[-1]
    fixed = trained.metrics[last]["fixed"]
    lines = _numbers_table(trained) if trained.decide is None else _classes_table(trained)
    if trained.classes:
        lines += ["", *_each_class(fixed, trained.classes, last)]
    elif "targets" in fixed:
        lines += ["", *_each_target(trained, last)]
    return [*lines, "", f"{INDENT}{trained.changed.in_words()}", *_decided(trained)]


def _decided(trained: Trained) -> list[str]:
    """How often the lamp is right in windows of recordings."""
    found = trained.decided
    if found is None:
        return []
    alone, decided = (percent(part / found.windows) for part in (found.alone, found.decided))
    if trained.model.decision == AT_ONCE:
        return wrapped(f"lamp right in {alone} of the {found.part} part's windows")
    how = ", and never acknowledged" if trained.model.decision.latch else ""
    return wrapped(
        f"lamp right in {decided} of the {found.part} part's windows as decided{how}, in {alone} by each window alone"
    )


def _table(trained: Trained, measures: dict[str, str], shown: Sequence[str]) -> list[str]:
    """A row for each part and measure. measures: names for people; shown: how the values of each are."""
    rows = [["part", "rows", "", "float", "fixed", "baseline"]]
    for part, both in trained.metrics.items():
        for (measure, name), style in zip(measures.items(), shown, strict=True):
            values = [scores[measure] for scores in (both["float"], both["fixed"], trained.baselines[part])]
            cells = [percent(v) if style == "%" else _number(v) for v in values]
            rows.append([part, str(both["float"]["rows"]), name, *cells])
    return aligned(rows)


def _classes_table(trained: Trained) -> list[str]:
    always = (
        "baseline: always what is most frequent in the training part; right is a row in which every target is"
    )
    if trained.classes:
        says = shortened(trained.baselines["training"]["says"], NAME_WIDTH)
        always = f"baseline: always {says}, the most frequent class of the training part"
    return [*_table(trained, {"accuracy": "accuracy"}, "%"), *wrapped(always)]


def _numbers_table(trained: Trained) -> list[str]:
    of = " of the targets" if len(trained.data.targets_named) > 1 else ""
    always = f"baseline: always the mean{of} in the training part"
    if of:
        always += f"; R2 and rmse are means over {len(trained.data.targets_named)} targets"
    return [*_table(trained, {"r2": "R2", "rmse": "rmse"}, "##"), *wrapped(always)]


def _each_class(scores: Scores, classes: Sequence[str], part: str) -> list[str]:
    """Precision and recall, of many classes those with the lowest, and what is taken for what most often."""
    rows = [["class", "rows", "precision", "recall"]]
    # A class that no row is of, and none is taken for, is neither well nor badly told.
    worth = [
        min((score for score in both if score is not None), default=1.0)
        for both in zip(scores["precision"], scores["recall"], strict=True)
    ]
    listed = sorted(sorted(range(len(classes)), key=worth.__getitem__)[:CLASSES_SHOWN])
    for number in listed:
        of = sum(scores["confusion"][number])
        cells = [percent(scores[measure][number]) for measure in ("precision", "recall")]
        rows.append([shortened(classes[number], NAME_WIDTH), str(of), *cells])
    header, *lines = aligned(rows)
    lines = [f"{header}   ({part} part, fixed point)", *lines]
    if len(classes) > len(listed):
        lines.append(f"{INDENT}... {len(classes) - len(listed)} more, none worse than these")
    pairs = [
        f"{shortened(classes[true], NAME_WIDTH)} taken for {shortened(classes[said], NAME_WIDTH)} "
        f"({many} of {sum(scores['confusion'][true])})"
        for true, said, many in confused(scores)[:PAIRS_SHOWN]
    ]
    return lines + (wrapped(f"most often {', '.join(pairs)}") if pairs else [])


def _each_target(trained: Trained, part: str) -> list[str]:
    """Accuracy, or R2 and rmse, of each target, beside the baseline's."""
    rows = [
        ["target", "accuracy", "baseline"] if trained.decide else ["target", "R2", "rmse", "baseline rmse"]
    ]
    targets = trained.metrics[part]["fixed"]["targets"]
    for own, base in zip(targets[:TARGETS_SHOWN], trained.baselines[part]["targets"], strict=False):
        if trained.decide:
            rows.append(
                [shortened(own["name"], NAME_WIDTH), percent(own["accuracy"]), percent(base["accuracy"])]
            )
            continue
        rows.append(
            [shortened(own["name"], NAME_WIDTH), *map(_number, (own["r2"], own["rmse"], base["rmse"]))]
        )
    header, *lines = aligned(rows)
    rest = len(targets) - TARGETS_SHOWN
    more = [f"{INDENT}... {counted(rest, 'more target')}"] if rest > 0 else []
    return [f"{header}   ({part} part, fixed point)", *lines, *more]


def asked_in_words(scores: Scores, question: Question, seconds: float) -> list[str]:
    """What a node scored by its own answers, how many it was asked for, and at which pace."""
    what = f"{counted(scores['rows'], 'sample')} of the {question.part} part"
    if "accuracy" in scores:
        good = f"{percent(scores['accuracy'])} of {what} right"
    else:
        good = f"{closeness(scores)} for {what}"
    rows = len(question.x)
    all_of = (
        f"{counted(rows, 'row')}" if rows == question.of else f"{rows} of {question.of} rows, evenly spread,"
    )
    pace = f", {rows / seconds:.0f} a second" if seconds else ""
    return wrapped(f"by the node's own answers {good} ({all_of} asked over the bus{pace})")

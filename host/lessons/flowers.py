"""Lesson 6: a real data set, rows that are held out, over-fitting. It trains on a file, which pandas reads."""

from __future__ import annotations

from pathlib import Path

from host.lessons.lesson import PROGRAM, Exercise, Facts, Lesson, table, trained
from host.show.scored import percent

FILE = Path(__file__).resolve().with_name("iris.csv")


def path_here(file: Path, folder: Path) -> str:
    """A file as a command names it in this folder, for the shells of Linux and of Windows."""
    path = (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix()
    return f'"{path}"' if " " in path else path


FLOWERS = f"{PROGRAM} --model mlp --data {path_here(FILE, Path.cwd())}"
LARGE = "--target species --layers 4-32-32-3 --split 20,40,40 --l2 0"
"""What makes of it a network that is too large for its rows. They are one batch: the loss of the last step is that of
all of them, and falls without noise."""
SHOWN = (0, 40)
"""Epochs of the table, beside the one that is kept and the last."""
MISSED, WORSE = "virginica", "versicolor"
"""The class whose row of the confusion the text reads, and the one of the exercise."""


def show_flowers(drawn: bool) -> Facts:
    result, large = trained(FLOWERS), trained(f"{FLOWERS} {LARGE}")
    scores, baselines = result.metrics, result.baselines
    parts = [["", "rows", "accuracy", "baseline"]] + [
        [
            name,
            str(scores[name]["fixed"]["rows"]),
            percent(scores[name]["fixed"]["accuracy"]),
            percent(baselines[name]["accuracy"]),
        ]
        for name in result.parts
    ]
    missed = scores["test"]["fixed"]["confusion"][result.classes.index(MISSED)]
    history, kept = large.fit.history, large.fit.end
    losses = [["epoch", "training", "validation"]] + [
        [str(epoch.epoch), f"{epoch.loss:.4f}", f"{epoch.validation:.4f}"]
        for epoch in history
        if epoch.epoch in SHOWN or epoch in (kept, history[-1])
    ]
    return {
        "file": FILE.name,
        "large": LARGE,
        "rows": len(result.data),
        "inputs": len(result.data.inputs),
        "classes": len(result.classes),
        "parts": table(parts),
        "always": baselines["test"]["says"],
        "missed_class": MISSED,
        "missed_rows": sum(missed),
        "missed": ", ".join(f"{name} {count}" for name, count in zip(result.classes, missed, strict=True)),
        "parameters": large.config.count,
        "few": len(large.parts["training"]),
        "losses": table(losses),
        "kept": kept.epoch,
        "patience": large.plan.patience,
        "epochs": large.fit.epochs,
        "chosen": kept.validation,
        "test": large.losses["test"],
    }


def flowers_exercise() -> Exercise:
    result = trained(f"{FLOWERS} {LARGE}")
    scores, number = result.metrics["test"]["fixed"], result.classes.index(WORSE)
    confusion = scores["confusion"]
    row, recall = confusion[number], scores["recall"][number]
    mistakes = {
        "precision": scores["precision"][number],
        "accuracy": scores["accuracy"],
        "training": result.metrics["training"]["fixed"]["accuracy"],
        "baseline": result.baselines["test"]["accuracy"],
        "missed": 1 - recall,
        "errors": sum(row) - row[number],
        "count": row[number],
        "percent": 100 * recall,
    }
    matrix = table(
        [["", *result.classes]]
        + [[name, *map(str, said)] for name, said in zip(result.classes, confusion, strict=True)]
    )
    facts = {
        "confusion": matrix,
        "class": WORSE,
        "found": row[number],
        "of": sum(row),
        "recall": recall,
        "said": sum(said[number] for said in confusion),
        "precision": scores["precision"][number],
    }
    return Exercise(recall, 0.005, mistakes, facts)


LESSON = Lesson(FLOWERS, show_flowers, flowers_exercise)

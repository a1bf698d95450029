"""What a conversion made of a model, in words for people."""

from __future__ import annotations

from collections.abc import Mapping

from host.data.dataset import Dataset
from host.errors import counted, listed
from host.models.conversion import Converted
from host.models.imported import Decide, Imported
from host.show import tables
from host.show.scored import closeness, percent
from host.training.scores import Scores

CLASSES_SHOWN = 6


def in_words(converted: Converted, data: Dataset, metrics: Mapping[str, Scores]) -> list[str]:
    """The model, what it decides, what fixed point cost, and how good it is on the sample where that has a target."""
    source, report = converted.source, converted.quantisation
    units = "-".join(map(str, source.units))
    behind = ", ".join(layer.activation.name.lower() for layer in source.layers)
    lines = [f"{source.name}, {units}, {behind}", *tables.wrapped(decides_in_words(source))]
    for note in source.notes:
        lines += tables.wrapped(note)
    if data.note:
        lines += [line for note in data.note.splitlines() for line in tables.wrapped(note)]
    lines += ["", f"  quantised to 16 bits, an image of {counted(report.image_bytes, 'byte')}"]
    lines += [*tables.quantisation(report, data), f"  {led_in_words(converted)}"]
    lines.append(f"  {converted.changes.in_words()} of the sample")
    if metrics:
        lines += tables.wrapped(
            f"{goodness(metrics['float'])} in float, {goodness(metrics['fixed'])} in fixed point; "
            f"{goodness(metrics['baseline'])} by always saying {always(metrics['baseline'])}"
        )
    return [*lines, ""]


def always(baseline: Scores) -> str:
    return "the mean" if "r2" in baseline else str(baseline["says"])


def decides_in_words(source: Imported) -> str:
    """What its outputs are."""
    names = listed(source.classes, CLASSES_SHOWN)
    match source.decide:
        case Decide.NUMBERS:
            return f"gives {counted(source.units[-1], 'number')}"
        case Decide.ARGMAX:
            return f"decides by the largest of {len(source.classes)} scores: {names}"
        case Decide.SIGN:
            return f"decides by the sign of a score: {names}"
    if not source.classes:
        return f"gives {source.units[-1]} probabilities, each compared with {source.threshold:g}"
    return f"gives the probability of {source.classes[1]}, else it is {source.classes[0]}"


def led_in_words(converted: Converted) -> str:
    source, model = converted.source, converted.model
    if source.classes and (model.led_class or len(source.classes) == 2):
        name = source.classes[model.led_output if model.led_class else 1]
        at = f", above {source.threshold:g}" if source.threshold != 0.5 else ""
        return f"the LED is lit for {name}{at}"
    named = source.outputs or source.classes
    which = named[model.led_output] if len(named) == model.outputs else f"output {model.led_output + 1}"
    return f"the LED is lit when {which} > {converted.quantisation.led_threshold:g}"


def goodness(scores: Scores) -> str:
    """'97.3 % right', or 'R2 0.48, rmse 54'."""
    if "accuracy" in scores:
        return f"{percent(scores['accuracy'])} right"
    return closeness(scores)


def asked_in_words(rows: int, of: int, scores: Scores | None) -> list[str]:
    """What a node said of the sample's rows."""
    which = f"all {rows} different rows" if rows == of else f"{rows} of {of} different rows, evenly spread"
    good = f"; {goodness(scores)} by its own answers" if scores else ""
    return tables.wrapped(f"the node says of {which} what the PC computes, to the bit{good}")

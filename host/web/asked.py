"""What a page asks of a training, checked: the options of host.train from JSON, and files from its texts."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from host.core.wire import HOP_MAX, LAYERS_MAX, UNITS_MAX, WINDOW_MAX, WINDOW_MIN
from host.data.windows import Windowing
from host.errors import NeuronError
from host.training.options import Options, conflict
from host.training.plan import Plan, algorithm_of
from host.training.recipes import ALGORITHMS, DTYPES, HIDDEN_ACTIVATIONS, RECIPES
from host.web.fields import NAMES_MAX, Check, fields_of, list_of, number, one_of, positive, whole, word, wrong
from host.web.shown import CSV_BYTES, EPOCHS_MAX, RECORDINGS_BYTES, TRIES_MAX

OFFERED = tuple(name for name in ALGORITHMS if name != "grid")
"""Algorithms that walk, so that there is something to be seen."""
FILES_MAX = 20
NAME_MAX = 200
"""Bytes of a file's name: no system takes more than 255."""
BATCH_MAX = 10**9
SEED_MAX = 2**32 - 1
WORK_MAX = 10**9
"""Products of epochs, samples and parameters: some seconds."""

_words = list_of(word, 1, NAMES_MAX, "names")


def _targets(field: str, value: Any) -> list[str]:
    found: list[str] = [word(field, value)] if isinstance(value, str) else _words(field, value)
    return found


def _text(most: int) -> Check:
    def check(field: str, value: Any) -> bytes:
        if not isinstance(value, str):
            raise wrong(field, value, "no text")
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise NeuronError(
                f"{field}: a text with half a character in it: save the file as UTF-8"
            ) from None
        if len(data) > most:
            raise NeuronError(
                f"{field}: {len(data)} bytes, {most} at most here: leave rows out, or use python -m host.train"
            )
        return data

    return check


def _file_name(field: str, value: Any) -> str:
    """The last part of a path of any system."""
    name = re.split(r"[/\\]", word(field, value))[-1]
    if not name.strip(". ") or len(name.encode()) > NAME_MAX:
        raise wrong(field, value, "no name of a file")
    return name


def _recordings(field: str, value: Any) -> dict[str, bytes]:
    """Each by its name."""
    found: dict[str, bytes] = {}
    for one in list_of(lambda _, one: one, 1, FILES_MAX, f"recordings, {FILES_MAX} at most")(field, value):
        if not isinstance(one, dict) or set(one) != {"name", "text"}:
            raise wrong(field, one, "no recording with a name and a text")
        name = _file_name(field, one["name"])
        if not name.lower().endswith(".csv"):
            raise wrong(field, name, "no name that ends in .csv")
        if name in found:
            raise NeuronError(
                f"{field}: two are named {name}: its windows would be learnt from and judged by"
            )
        left = RECORDINGS_BYTES - sum(map(len, found.values()))
        found[name] = _text(left)(f"{field}, {name}", one["text"])
    return found


def _window(field: str, value: Any) -> int:
    found = whole(WINDOW_MIN, WINDOW_MAX)(field, value)
    if found & (found - 1):
        raise wrong(field, value, f"no power of two of {WINDOW_MIN}..{WINDOW_MAX} scans")
    return found


FIELDS: dict[str, Check] = {
    "model": one_of(*RECIPES),
    "layers": list_of(
        whole(1, UNITS_MAX), 2, LAYERS_MAX + 1, f"units, those of 1..{LAYERS_MAX} layers behind"
    ),
    "activation": one_of(*HIDDEN_ACTIVATIONS),
    "algorithm": one_of(*OFFERED),
    "rate": positive,
    "epochs": whole(1, EPOCHS_MAX),
    "batch_size": whole(1, BATCH_MAX),
    "start": list_of(number, 1, NAMES_MAX, "parameters"),
    "seed": whole(0, SEED_MAX),
    "tries": whole(1, TRIES_MAX),
    "dtype": one_of(*DTYPES),
    "csv": _text(CSV_BYTES),
    "name": _file_name,
    "target": _targets,
    "drop": _words,
    "recordings": _recordings,
    "window": _window,
    "hop": whole(1, HOP_MAX),
    "features": _words,
}
"""Every field of a Request."""
OF_A_FILE = ("name", "target", "drop")
OF_RECORDINGS = ("window", "hop", "features")


def _training_of(request: object) -> dict[str, Any]:
    """The fields of a Request."""
    found = fields_of(request, FIELDS, "a training", '{"model": "and"}')
    if "model" not in found:
        raise NeuronError(f"model is missing: one of {', '.join(RECIPES)}")
    files, recorded = "csv" in found, "recordings" in found
    if files and recorded:
        raise NeuronError("csv and recordings: give one of them")
    for fields, there, wanted in ((OF_A_FILE, files, "csv"), (OF_RECORDINGS, recorded, "recordings")):
        if not there and (alone := [field for field in fields if field in found]):
            raise NeuronError(f"{alone[0]} goes with {wanted}")
    if recorded and "window" not in found:
        raise NeuronError("window is missing: so many scans of a recording are learnt from at once")
    return found


# ---------------------------------------------------------------------------------------------------- the options


@contextmanager
def options_of(request: object) -> Iterator[Options]:
    """The options of a request (host.web.shown.Request), while the context lasts: its files are gone behind it.
    NeuronError, as host.train words it, for what is wrong with it or with the files."""
    found = _training_of(request)
    with own_folder() as folder:
        options = _options(found, folder)
        if problem := conflict(options, algorithm_of(options)):
            raise NeuronError(problem)
        yield options


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for files, gone behind the context. What fails in it names its files without their folder."""
    with tempfile.TemporaryDirectory() as folder:
        real = os.path.realpath(folder)
        try:
            yield Path(real)
        except NeuronError as error:
            error.args = (str(error).replace(real + os.sep, ""),)
            raise


def _options(found: dict[str, Any], folder: Path) -> Options:
    def written(name: str, data: bytes) -> str:
        path = folder / name
        path.write_bytes(data)
        return str(path)

    recordings = tuple(written(name, data) for name, data in found.get("recordings", {}).items())
    windowing = None
    if recordings:
        window, features = found["window"], found.get("features")
        windowing = Windowing(
            window, found.get("hop", max(1, window // 2)), tuple(features) if features else None
        )
    return Options(
        model=found["model"],
        data=written(found.get("name", "data.csv"), found["csv"]) if "csv" in found else None,
        recordings=recordings,
        windowing=windowing,
        target=found.get("target"),
        drop=found.get("drop"),
        layers=found.get("layers"),
        activation=found.get("activation"),
        algorithm=found.get("algorithm"),
        rate=found.get("rate"),
        epochs=found.get("epochs"),
        batch_size=found.get("batch_size"),
        init=found.get("start"),
        seed=found.get("seed"),
        tries=found.get("tries", 1),
        dtype=found.get("dtype", DTYPES[0]),
    )


def require_small(plan: Plan) -> None:
    """NeuronError for a training that would take a server too long."""
    samples, parameters, tries = len(plan.samples.parts["training"]), plan.config.count, len(plan.starts)
    one = samples * parameters * tries
    if plan.config.epochs * one > WORK_MAX:
        what = f"{plan.config.epochs} epochs of {samples} samples and {parameters} parameters"
        times = f", {tries} times," if tries > 1 else ""
        raise NeuronError(
            f"{what}{times} are too much for a page: epochs up to {max(1, WORK_MAX // one)}, fewer rows, or "
            "python -m host.train"
        )

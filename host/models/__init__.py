"""Stage 3, models: dense layers, their bounds, and fixed point; and models that were trained elsewhere.

A model of scikit-learn or PyTorch goes to a node in two lines, while it runs, without a compiler or a flash tool:

    image, report = convert(classifier, x)                            # from host.models import convert
    with open_node("/dev/ttyUSB0") as node: deploy(node, image)       # host.boards.opening, host.node.staging

and from a file in three:

    model = load("iris.onnx")                                         # from host.models import convert, load
    image, report = convert(model, x)
    print(report.changed, "of", report.rows, "decisions differ")

report.predict(x) is what the node will say of x, to the last bit; report.as_dict() is all of it for JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.errors import NeuronError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from host.models.conversion import Converted
    from host.models.imported import Imported

FILES = {
    ".onnx": "ONNX",
    ".pt": "a state dict of PyTorch",
    ".pth": "a state dict of PyTorch",
    ".joblib": "scikit-learn",
    ".pkl": "scikit-learn",
    ".pickle": "scikit-learn",
}
"""What a model's file is, by the end of its name."""


def load(
    source: Any, *, classes: Sequence[object] = (), activation: Sequence[str] = (), trust: bool = False
) -> Imported:
    """A model that was trained elsewhere, in dense layers (host.models.imported.Imported).

    source: a file as FILES has them, by its name; or a fitted estimator of scikit-learn, an nn.Sequential or a state
    dict of PyTorch, an onnx.ModelProto.
    classes: names in the order of the outputs, for a model that has none; with them a model whose outputs are plain
    numbers chooses the largest, or with one output the second of two classes above 0.
    activation: what stands behind each Linear of a state dict, which does not say: relu, tanh, sigmoid or identity, one
    for all but the last or one a layer.
    trust: load a .joblib or .pkl file, which runs whatever code it holds.

    NeuronError, one line: what dense layers cannot do, and where it stands in the model; a file that is damaged; a
    library that is missing, with the command that installs it.
    """
    import numpy as np

    from host.models.imported import Imported, label, with_classes

    with np.errstate(all="ignore"):  # what is not finite is refused where it comes to stand
        model = source if isinstance(source, Imported) else _load(source, activation, trust)
        return with_classes(model, list(map(label, classes))) if len(classes) else model


def _load(source: Any, activation: Sequence[str], trust: bool) -> Imported:
    if isinstance(source, (str, Path)):
        return _load_file(Path(source), activation, trust)
    modules = {each.__module__.partition(".")[0] for each in type(source).__mro__}
    if isinstance(source, dict):
        from host.models.from_torch import from_state_dict

        return from_state_dict(source, activation=activation)
    if "torch" in modules:
        from host.models.from_torch import from_torch

        return from_torch(source)
    if "onnx" in modules or type(source).__name__ == "ModelProto":
        from host.models.from_onnx import from_onnx

        return from_onnx(source)
    from host.models.from_sklearn import from_sklearn

    return from_sklearn(source)


def _load_file(path: Path, activation: Sequence[str], trust: bool) -> Imported:
    kind = FILES.get(path.suffix.lower())
    if kind is None:
        raise NeuronError(f"{path}: a model's file ends in {', '.join(FILES)}")
    if activation and "PyTorch" not in kind:
        raise NeuronError(f"{path}: activations are for the state dict of a .pt file; this says its own")
    if not path.is_file():
        raise NeuronError(f"cannot read {path}: it is {'no file' if path.exists() else 'not there'}")
    if kind == "ONNX":
        from host.models.from_onnx import load_onnx

        return load_onnx(path)
    if "PyTorch" in kind:
        from host.models.from_torch import load_torch

        return load_torch(path, activation)
    from host.models.from_sklearn import load_sklearn

    return load_sklearn(path, trust=trust)


def convert(
    source: Any,
    x: ArrayLike,
    *,
    ranges: Sequence[Sequence[float]] | None = None,
    led: str | None = None,
    led_threshold: float | None = None,
    release: int = 0,
) -> tuple[bytes, Converted]:
    """The image of a model for a node, and a report of what that cost (host.models.conversion.Converted).

    source: what `load` gives, or takes. x: rows as the model gets them, (samples, inputs) in their own units, or a
    table of pandas with the inputs' names: the ranges of the inputs come from them, and the report counts on them.
    ranges: (low, high) of every input, or one for all.
    led: the class that lights the LED, by default the last; where outputs are numbers, one by its number from 1, by
    default the first. led_threshold: light it above this output instead; of two classes it also parts the classes; by
    default 0.5 of a probability, and of numbers the middle of what the model says of x.
    release: of the model, 1..2**32 - 1, 0: none.

    NeuronError, one line: more layers, units or bytes than a node holds; x that does not go with the model.
    """
    from host.models import conversion

    return conversion.convert(
        load(source), x, ranges=ranges, led=led, led_threshold=led_threshold, release=release
    )

"""host/models/from_torch.py: modules, state dicts and ONNX exports of PyTorch itself.

PyTorch is too large for every check: without it these tests are skipped.
"""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.core.wire import Activation
from host.errors import NeuronError
from host.models import convert, load
from host.models.dense import reference
from host.models.imported import Decide, Imported
from tests.originals import LOADERS, parts

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install torch")
nn = torch.nn

RELU, TANH, SIGMOID, IDENTITY = Activation.RELU, Activation.TANH, Activation.SIGMOID, Activation.IDENTITY
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
EXPORTERS = [True, False]
"""torch.export's graphs, and those of the older tracing."""


def seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    model = make()
    for each in model.modules():
        if isinstance(each, nn.BatchNorm1d):  # as a training leaves it
            nn.init.normal_(each.running_mean)
            nn.init.uniform_(each.running_var, 0.5, 2.0)
    return model.eval()


MODELS: dict[str, tuple[Callable[[], Any], list[Activation], Decide]] = {
    "one layer": (lambda: nn.Linear(4, 1), [IDENTITY], Decide.NUMBERS),
    "relu": (
        lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)),
        [RELU, IDENTITY],
        Decide.NUMBERS,
    ),
    "nested": (
        lambda: nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh()),
            nn.Sequential(nn.Dropout(), nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Identity())),
            nn.Linear(5, 2),
        ),
        [TANH, RELU, IDENTITY],
        Decide.NUMBERS,
    ),
    "without biases": (
        lambda: nn.Sequential(nn.Linear(4, 6, bias=False), nn.Sigmoid()),
        [SIGMOID],
        Decide.PROBABILITY,
    ),
    "a probability": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1), nn.Sigmoid()),
        [RELU, SIGMOID],
        Decide.PROBABILITY,
    ),
    "linear maps": (
        lambda: nn.Sequential(nn.Linear(4, 70), nn.Linear(70, 3), nn.ReLU()),
        [RELU],
        Decide.NUMBERS,
    ),
    "batch norm": (
        lambda: nn.Sequential(
            nn.BatchNorm1d(4), nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU(), nn.Linear(6, 2)
        ),
        [RELU, IDENTITY],
        Decide.NUMBERS,
    ),
    "softmax": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1)), [IDENTITY], Decide.ARGMAX),
    "log softmax": (lambda: nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=-1)), [IDENTITY], Decide.ARGMAX),
    "softmax of two": (
        lambda: nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=-1)),
        [SIGMOID],
        Decide.PROBABILITY,
    ),
}


def require_same(imported: Imported, model: Any, decide: Decide) -> None:
    """Numbers as float32 computes them; the same decisions."""
    said = model(torch.from_numpy(X)).detach().numpy()
    assert imported.decide is decide
    if decide is Decide.ARGMAX or said.shape[1] != imported.units[-1]:
        assert (imported.decisions(X)[:, 0] == said.argmax(axis=1)).all()
    else:
        assert np.abs(reference(imported.layers, X.astype(np.float64))[1] - said).max() <= 2e-6


@pytest.mark.parametrize("what", MODELS)
def test_a_module_is_read_as_it_computes(what: str) -> None:
    make, activations, decide = MODELS[what]
    model = seeded(make)
    imported = load(model)
    assert [layer.activation for layer in imported.layers] == activations
    require_same(imported, model, decide)


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("what", MODELS)
def test_an_onnx_export_is_read_as_it_computes(what: str, dynamo: bool, tmp_path: Path) -> None:
    make, activations, decide = MODELS[what]
    model = seeded(make)
    imported = load(export(model, tmp_path / "m.onnx", dynamo))
    assert [layer.activation for layer in imported.layers] == activations
    require_same(imported, model, decide)


def export(model: Any, path: Path, dynamo: bool = True, x: Any = X) -> Path:
    pytest.importorskip("onnxscript", reason="torch.onnx needs onnxscript: pip install onnxscript")
    example = (torch.from_numpy(x[:2].astype(np.float32)),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            rows = ({0: torch.export.Dim("rows")},)
            torch.onnx.export(model, example, str(path), dynamo=True, verbose=False, dynamic_shapes=rows)
        else:
            names: Any = {"input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}}
            torch.onnx.export(model, example, str(path), dynamo=False, **names)
    return path


class Own(nn.Module):  # type: ignore[misc, name-defined]
    """A module with a forward() of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.more, self.out = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        hidden = torch.tanh(self.hidden((x - 1.5) / 2.0))
        return torch.argmax(self.out(hidden + 0.5 * self.more(hidden)), dim=1)


@pytest.mark.parametrize("dynamo", EXPORTERS)
def test_a_module_of_ones_own_goes_by_onnx(dynamo: bool, tmp_path: Path) -> None:
    model = seeded(Own)
    with pytest.raises(NeuronError, match=r"module itself, Own: .* torch.onnx.export"):
        load(model)
    imported = load(export(model, tmp_path / "own.onnx", dynamo))
    assert imported.decide is Decide.ARGMAX
    assert (imported.decisions(X)[:, 0] == model(torch.from_numpy(X)).numpy()).all()


# ---------------------------------------------------------------------------------------------------- state dicts


def saved(state: Any, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_a_state_dict_is_read_with_its_activations(tmp_path: Path) -> None:
    model = seeded(
        lambda: nn.Sequential(
            nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 1)
        )
    )
    for state in (model.state_dict(), {"epoch": 7, "state_dict": model.state_dict()}):
        path = saved(state, tmp_path / "m.pt")
        imported = load(path, activation=["tanh"])
        require_same(imported, model, Decide.NUMBERS)
        assert imported.notes == (
            "a state dict has no activations; it is read as 0.weight, tanh then 2.weight, tanh then 4.weight, identity",
        )
        assert load(path, activation=["tanh", "tanh", "sigmoid"]).layers[-1].activation is SIGMOID
        require_same(load(path, activation=["tanh", "tanh", "identity"]), model, Decide.NUMBERS)
    require_same(load(model.state_dict(), activation=["tanh"]), model, Decide.NUMBERS)


def test_one_layer_needs_no_activation(tmp_path: Path) -> None:
    model = seeded(lambda: nn.Linear(4, 3))
    require_same(load(saved(model.state_dict(), tmp_path / "m.pth")), model, Decide.NUMBERS)


def test_names_of_nested_modules_are_kept_in_order() -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Sequential(nn.Linear(5, 2)))
    )
    imported = load(model.state_dict(), activation=["relu"])
    require_same(imported, model, Decide.NUMBERS)
    assert "0.0.weight, relu then 1.0.weight, identity" in imported.notes[0]


def test_a_module_that_stands_there_twice_is_read_twice() -> None:
    relu, linear = nn.ReLU(), nn.Linear(4, 4)
    model = seeded(lambda: nn.Sequential(linear, relu, linear, relu, nn.Linear(4, 2)))
    require_same(load(model), model, Decide.NUMBERS)
    assert load(model).units == (4, 4, 4, 2)


TWO_LAYERS = {"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3), "b.weight": torch.ones(2, 3)}
STATES = {
    "none": ({}, [], "it holds no state dict"),
    "no activations": (TWO_LAYERS, [], "no activations for 2 layers: .* give --activation relu"),
    "too many": (TWO_LAYERS, ["relu"] * 3, "3 activations for 2 layers"),
    "unknown": (TWO_LAYERS, ["gelu"], "activation 'gelu': a node has relu, tanh, sigmoid, identity"),
    "no chain": (
        TWO_LAYERS | {"b.weight": torch.ones(2, 5)},
        ["relu"],
        "b.weight: weights of 2 x 5 .* behind 3 values",
    ),
    "a bias of another size": (TWO_LAYERS | {"a.bias": torch.ones(4)}, ["relu"], "a.weight: .* biases of 4"),
    "wide": (
        {"a.weight": torch.ones(65, 4), "b.weight": torch.ones(1, 65)},
        ["relu"],
        "a.weight: a layer of 65 units",
    ),
    "many inputs": ({"weight": torch.ones(1, 65)}, [], "the model takes 65 inputs, a node takes 1..64"),
    "convolution": (
        {"c.weight": torch.ones(3, 1, 2, 2)},
        ["relu"],
        "c.weight is no weight or bias of a Linear",
    ),
    "a bias alone": ({"c.bias": torch.ones(3)}, ["relu"], "c.bias is no weight or bias of a Linear"),
    "batch norm": (TWO_LAYERS | {"n.running_mean": torch.ones(3)}, ["relu"], "n.running_mean is no weight"),
    "other things": ({"epoch": 3}, ["relu"], "epoch is no weight or bias"),
    "infinite": (
        {"weight": torch.tensor([[1.0, float("nan")]])},
        [],
        "weight: a weight or bias is not a finite number",
    ),
    "empty": ({"weight": torch.ones(0, 4)}, [], "weight: it gives no values"),
    "complex": (
        {"weight": torch.ones(1, 4, dtype=torch.complex64)},
        [],
        "weight: a weight or bias is a complex number",
    ),
    "sparse": ({"weight": torch.ones(1, 4).to_sparse()}, [], "weight is no plain tensor of numbers"),
    "a sparse bias": (
        {"weight": torch.ones(1, 4), "bias": torch.ones(1).to_sparse()},
        [],
        "weight is no plain tensor of numbers",
    ),
    "without values": (
        {"weight": torch.empty(1, 4, device="meta")},
        [],
        "weight is no plain tensor of numbers",
    ),
    "no tensor": ({"weight": torch.ones(1, 4), "bias": "text"}, [], "weight is no plain tensor of numbers"),
}


@pytest.mark.parametrize("what", STATES)
def test_a_state_dict_that_is_none_is_one_line(what: str, tmp_path: Path) -> None:
    state, activation, why = STATES[what]
    path = saved(state, tmp_path / "m.pt")
    with pytest.raises(NeuronError, match=f"m.pt: {why}") as error:
        load(path, activation=activation)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_tensor_without_a_shape_is_one_line() -> None:
    with pytest.raises(NeuronError, match="weight is no weight or bias of a Linear"):
        load({"weight": torch.nested.nested_tensor([torch.ones(4), torch.ones(3)])})


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise RuntimeError('boom')",))


def test_files_that_hold_more_are_refused_and_run_nothing(tmp_path: Path) -> None:
    for held in (seeded(lambda: nn.Sequential(nn.Linear(4, 2))), Bomb()):
        with pytest.raises(NeuronError, match=r"m.pt: it is no state dict: torch.save\(model.state_dict\(\)"):
            load(saved(held, tmp_path / "m.pt"))
    for held in (torch.ones(3, 3), [1, 2], "text"):
        with pytest.raises(NeuronError, match="it holds no state dict but a"):
            load(saved(held, tmp_path / "m.pt"))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_one_line_or_a_model(tmp_path: Path, seed: int) -> None:
    made, chance, path = io.BytesIO(), random.Random(seed), tmp_path / "m.pt"
    torch.save(seeded(lambda: nn.Linear(4, 2)).state_dict(), made)
    whole = made.getvalue()
    for _ in range(60):
        damaged = bytearray(whole)
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            for _ in range(4):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            found: object = load(path)
        except NeuronError as error:
            found = str(error)
        assert isinstance(found, Imported) or (isinstance(found, str) and "\n" not in found)


# -------------------------------------------------------------------------------------------------------- refusals


def named(name: str) -> Any:
    """A module of one's own, by the name of one of torch's."""
    return type(name, (nn.Module,), {"forward": lambda self, x: -2 * x, "dim": 1})()


def hooked(model: Any, register: str, index: int | None = None) -> Any:
    getattr(model if index is None else model[index], register)(lambda module, *values: None)
    return model


def replaced() -> Any:
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].forward = lambda x: -x
    return model


MODULES = {
    **{
        name: (
            lambda name=name: nn.Sequential(nn.Linear(4, 3), named(name)),
            f"module 1, {name}: a node runs",
        )
        for name in ("Identity", "Dropout", "Flatten", "Softmax", "ReLU", "Sequential")
    },
    "Linear": (lambda: nn.Sequential(named("Linear")), "module 0, Linear: a node runs"),
    "hook": (
        lambda: hooked(nn.Sequential(nn.Linear(4, 3)), "register_forward_hook"),
        "module itself, Sequential: it has hooks",
    ),
    "hook before": (
        lambda: hooked(nn.Sequential(nn.Linear(4, 3)), "register_forward_pre_hook", 0),
        "module 0, Linear: it has hooks",
    ),
    "hook within": (
        lambda: nn.Sequential(nn.Linear(4, 3), hooked(nn.Sequential(nn.ReLU()), "register_forward_hook")),
        "module 1, Sequential: it has hooks",
    ),
    "forward": (replaced, "module 0, Linear: its forward is not its type's"),
    "softmax of one": (
        lambda: nn.Sequential(nn.Linear(4, 1), nn.Softmax(1)),
        "module 1, Softmax: of one value it is the same",
    ),
    "leaky": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU()),
        "module 1, LeakyReLU: a node runs Linear, ReLU",
    ),
    "norm": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.LayerNorm(3))),
        "module 1.0, LayerNorm: a node runs",
    ),
    "conv": (lambda: nn.Sequential(nn.Conv1d(1, 2, 2)), "module 0, Conv1d: a node runs"),
    "behind": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1), nn.Linear(3, 1)),
        "module 2, Linear: it goes on behind the Softmax",
    ),
    "over rows": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=0)),
        "module 1, Softmax: a node runs",
    ),
    "nothing": (lambda: nn.Sequential(nn.Flatten()), "there is no Linear in it"),
    "wide": (lambda: nn.Sequential(nn.Linear(4, 65), nn.ReLU()), "module 1, ReLU: a layer of 65 units"),
    "shapes": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 1)),
        "module 1, Linear: weights of 1 x 4 .* behind 3",
    ),
    "no statistics": (
        lambda: nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)),
        "module 0, BatchNorm1d: a node",
    ),
}


@pytest.mark.parametrize("what", MODULES)
def test_what_dense_layers_cannot_do_is_named_by_its_module(what: str) -> None:
    make, why = MODULES[what]
    with pytest.raises(NeuronError, match=why) as error:
        load(make())
    assert "\n" not in str(error.value)


def test_what_a_node_cannot_hold_is_said_by_its_limits() -> None:
    layers = [module for _ in range(9) for module in (nn.Linear(4, 4), nn.ReLU())]
    with pytest.raises(NeuronError, match="9 layers, a node takes at most 8"):
        convert(nn.Sequential(*layers), X)


# --------------------------------------------------------------------------------------------- trained on real data


@pytest.mark.parametrize("way", ["module", "state dict", "onnx"])
@pytest.mark.parametrize("name", LOADERS)
def test_the_node_says_what_the_original_predicts(name: str, way: str, tmp_path: Path) -> None:
    """A network as a tutorial trains it; on the test rows, but for those that the report counted."""
    data = parts(name)
    model, classes = trained(name)
    x = scaled(data.test_x, data)
    source: Any = model
    if way == "state dict":
        source = saved(model.state_dict(), tmp_path / "m.pt")
    elif way == "onnx":
        source = export(model, tmp_path / "m.onnx", x=x)
    imported = load(source, classes=classes, activation=["relu"] if way == "state dict" else [])
    _, report = convert(imported, x)
    said = model(torch.from_numpy(x.astype(np.float32))).detach().numpy()
    if classes:
        decided = np.array(classes)[
            said.argmax(axis=1) if said.shape[1] > 1 else (said[:, 0] > 0).astype(int)
        ]
        assert (report.predict(x) != decided).sum() == report.changed
    else:
        bound = report.quantisation.error_bound
        assert bound is not None
        assert np.abs(report.outputs(x) - said).max() <= bound + 1e-6 * np.abs(said).max()


def scaled(x: Any, data: Any) -> Any:
    return (x - data.x.mean(axis=0)) / np.maximum(data.x.std(axis=0), 1e-3)


def trained(name: str) -> tuple[Any, list[str]]:
    data = parts(name)
    x = torch.from_numpy(scaled(data.x, data).astype(np.float32))
    classes = sorted(set(data.y.tolist())) if data.y.dtype.kind == "U" else []
    torch.manual_seed(0)
    outputs = len(classes) if len(classes) > 2 else 1 if classes else data.y.reshape(len(x), -1).shape[1]
    model = nn.Sequential(nn.Linear(x.shape[1], 12), nn.ReLU(), nn.Linear(12, outputs))
    if classes:
        labels = torch.tensor([classes.index(c) for c in data.y])
        loss: Any = nn.CrossEntropyLoss() if outputs > 1 else nn.BCEWithLogitsLoss()
        target = labels if outputs > 1 else labels.float()[:, None]
    else:
        loss, target = nn.MSELoss(), torch.from_numpy(data.y.reshape(len(x), -1).astype(np.float32))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        loss(model(x), target).backward()
        optimiser.step()
    return model.eval(), classes

"""PyTorch's nn.Sequential of Linear and activations, as a module or by its state dict, as dense layers.

torch's own modules are known by their type's name, so that none of this imports torch but for reading a file. Any other
module computes by its own code: ONNX shows what it does (torch.onnx.export(model, (x,), "model.onnx")).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from host.core.wire import Activation
from host.errors import NeuronError, counted
from host.models.dense import Float
from host.models.imported import Chain, Imported, classes_of, first_line, library, numbers, printable, start

ACTIVATIONS: dict[str, Activation | None] = {
    "relu": Activation.RELU,
    "tanh": Activation.TANH,
    "sigmoid": Activation.SIGMOID,
    "identity": None,
}
"""What --activation takes: a state dict has none."""
MODULES = {"ReLU": Activation.RELU, "Tanh": Activation.TANH, "Sigmoid": Activation.SIGMOID}
NOTHING = {"Identity", "Dropout", "Flatten"}
"""Modules that do nothing to the rows that a node takes."""
EXPORT = 'torch.onnx.export(model, (x,), "model.onnx")'
WRAPPED = ("state_dict", "model_state_dict", "model")
"""Where training scripts put a state dict beside other things."""


def from_torch(module: Any, name: str = "torch") -> Imported:
    """An nn.Sequential, nested ones too, as it is after eval(). A Softmax at its end makes it a choice of classes."""
    chain: Chain | None = None
    softmax = ""
    for path, each in _modules(module, ""):
        kind = type(each).__name__
        try:
            if not _is_torch(each):
                raise _not_run()
            if softmax:
                raise NeuronError(f"it goes on behind the {softmax}")
            if chain is None and kind in ("Linear", "BatchNorm1d"):
                chain = start(each.in_features if kind == "Linear" else each.num_features)
            if kind in ("Softmax", "LogSoftmax") and each.dim in (1, -1):
                if chain is not None and chain.units < 2:
                    raise NeuronError("of one value it is the same whatever the inputs")
                softmax = kind
            elif kind not in NOTHING:
                chain = _through(kind, each, chain)
        except NeuronError as error:
            raise NeuronError(f"{_place(each, path)}: {error}") from None
        except Exception as error:  # tensors without values, fields that are not torch's
            raise NeuronError(f"{_place(each, path)}: it cannot be read: {first_line(error)}") from None
    if chain is None:
        raise NeuronError("there is no Linear in it")
    if softmax:
        return classes_of(name, chain, [str(i) for i in range(chain.units)], softmax=True)
    return numbers(name, chain)


def _modules(module: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The modules in their order, with their names. NeuronError where one of them, or what holds them, does more than
    its own type."""
    if any(getattr(module, hooks, None) for hooks in ("_forward_hooks", "_forward_pre_hooks")):
        raise NeuronError(
            f"{_place(module, path)}: it has hooks, which are code of their own; remove them, or export ONNX: {EXPORT}"
        )
    if "forward" in getattr(module, "__dict__", ()):
        raise NeuronError(f"{_place(module, path)}: its forward is not its type's; export ONNX: {EXPORT}")
    if not _is_torch(module) or type(module).__name__ != "Sequential":
        yield path, module
        return
    for name, each in module._modules.items():  # named_children() leaves out what stands there twice
        yield from _modules(each, f"{path}.{name}".lstrip("."))


def _place(module: Any, path: str) -> str:
    return f"module {path or 'itself'}, {type(module).__name__}"


def _not_run() -> NeuronError:
    return NeuronError(
        f"a node runs Linear, ReLU, Tanh and Sigmoid in a Sequential; what else is linear shows in ONNX: {EXPORT}"
    )


def _is_torch(module: Any) -> bool:
    return type(module).__module__.startswith("torch.nn.modules.")


def _through(kind: str, module: Any, chain: Chain | None) -> Chain:
    if chain is not None:
        if kind in MODULES:
            return chain.activated(MODULES[kind])
        if kind == "Linear":
            weights = _array(module.weight)
            return chain.linear(
                weights, np.zeros(len(weights)) if module.bias is None else _array(module.bias)
            )
        if kind == "BatchNorm1d" and module.running_mean is not None:
            factor = 1 / np.sqrt(_array(module.running_var) + module.eps)
            bias = -_array(module.running_mean) * factor
            if module.affine:
                factor, bias = (
                    factor * _array(module.weight),
                    bias * _array(module.weight) + _array(module.bias),
                )
            return chain.scaled(factor, bias)
    raise _not_run()


def _array(tensor: Any) -> Float:
    if tensor.is_complex():  # double() would drop a part
        raise NeuronError("a weight or bias is a complex number")
    return np.asarray(tensor.detach().cpu().double().numpy())


# --------------------------------------------------------------------------------------------------------- state dicts


def load_torch(path: Path, activation: Sequence[str] = ()) -> Imported:
    """The state dict of a .pt or .pth file; activation: as `from_state_dict` takes it."""
    torch = library("torch", path.name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception:  # unpickling raises anything
        raise NeuronError(
            f"{path}: it is no state dict: torch.save(model.state_dict(), ...) writes one; or export ONNX: {EXPORT}"
        ) from None
    if isinstance(state, Mapping):
        state = next((state[key] for key in WRAPPED if isinstance(state.get(key), Mapping)), state)
    try:
        return from_state_dict(state, path.stem, activation)
    except NeuronError as error:
        raise NeuronError(f"{path}: {error}") from None


def from_state_dict(state: Any, name: str = "torch", activation: Sequence[str] = ()) -> Imported:
    """The Linear layers of a state dict, in its order.

    activation: keys of ACTIVATIONS, one for all layers but the last, behind which there is then none, or one a layer. A
    single Linear needs none."""
    layers = _layers(state)
    behind = _activations(activation, len(layers))
    (_, weights, _), *_ = layers
    chain = start(weights.shape[1])
    for (key, weights, bias), each in zip(layers, behind, strict=True):
        try:
            chain = chain.linear(weights, bias)
            chain = chain.activated(each) if each is not None else chain
        except NeuronError as error:
            raise NeuronError(f"{key}: {error}") from None
    said = [f"{key}, {activation_name(each)}" for (key, _, _), each in zip(layers, behind, strict=True)]
    return numbers(name, chain, [f"a state dict has no activations; it is read as {' then '.join(said)}"])


def activation_name(activation: Activation | None) -> str:
    return next(name for name, value in ACTIVATIONS.items() if value is activation)


def _layers(state: Any) -> list[tuple[str, Float, Float]]:
    """(key of the weights, weights, bias) of every layer."""
    if not isinstance(state, Mapping) or not state:
        raise NeuronError(f"it holds no state dict but a {type(state).__name__}; or export ONNX: {EXPORT}")
    layers = []
    for key, tensor in state.items():
        prefix, _, what = str(key).rpartition(".")
        prefix += "." * bool(prefix)
        shown = printable(key)
        shape = _shape(tensor)
        if what == "bias" and len(shape) == 1 and f"{prefix}weight" in state:
            continue
        if what != "weight" or len(shape) != 2:
            raise NeuronError(f"{shown} is no weight or bias of a Linear layer; export ONNX: {EXPORT}")
        bias = state.get(f"{prefix}bias")
        try:
            layers.append((shown, _array(tensor), np.zeros(shape[0]) if bias is None else _array(bias)))
        except NeuronError as error:
            raise NeuronError(f"{shown}: {error}") from None
        except Exception as error:  # sparse, quantised, on no device: torch has an error for each
            raise NeuronError(
                f"{shown} is no plain tensor of numbers ({first_line(error)}): save the weights as float32"
            ) from None
    return layers


def _shape(tensor: Any) -> tuple[int, ...]:
    try:
        return tuple(getattr(tensor, "shape", ()))
    except RuntimeError:  # a nested tensor has none
        return ()


def _activations(names: Sequence[str], count: int) -> list[Activation | None]:
    """What stands behind each layer."""
    wrong = next((n for n in names if n not in ACTIVATIONS), None)
    if wrong is not None:
        raise NeuronError(f"activation {wrong!r}: a node has {', '.join(ACTIVATIONS)}")
    if count == 1 and not names:
        return [None]
    if len(names) == 1 and count > 1:
        return [*[ACTIVATIONS[names[0]]] * (count - 1), None]
    if len(names) != count:
        got = counted(len(names), "activation") if names else "no activations"
        raise NeuronError(
            f"{got} for {count} layers: a state dict has none; give --activation relu (all but the last, which has "
            "none) or one a layer, as in relu,relu,sigmoid; ONNX says them itself"
        )
    return [ACTIVATIONS[name] for name in names]

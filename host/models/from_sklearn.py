"""scikit-learn's linear models and networks, alone or at the end of a Pipeline, as dense layers.

What is read are the attributes that scikit-learn documents for fitted estimators; scikit-learn itself is imported only
to load a file. An estimator is known by its own type, as a subclass may predict in another way.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from host.core.wire import Activation
from host.errors import NeuronError, counted
from host.models.dense import Float
from host.models.imported import (
    Chain,
    Imported,
    classes_of,
    first_line,
    joined,
    label,
    library,
    numbers,
    real,
    start,
)

LINEAR_CLASSIFIERS = set(
    "LogisticRegression LogisticRegressionCV SGDClassifier Perceptron RidgeClassifier RidgeClassifierCV "
    "LinearSVC".split()
)
LINEAR_REGRESSORS = set(
    "LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV SGDRegressor HuberRegressor LinearSVR".split()
)
SEARCHES = {"GridSearchCV", "RandomizedSearchCV"}
ACTIVATIONS = {"relu": Activation.RELU, "tanh": Activation.TANH, "logistic": Activation.SIGMOID}
"""By MLPClassifier's and MLPRegressor's names; theirs of nothing is identity."""
WHAT_WORKS = (
    "a node runs dense layers: linear models, MLPClassifier, MLPRegressor, and before them StandardScaler, "
    "MinMaxScaler, MaxAbsScaler, RobustScaler or PCA"
)
NOT_LINEAR = {
    "Normalizer": "it divides each row by its own length, which is not linear",
    "PolynomialFeatures": "it multiplies inputs with each other",
    "SimpleImputer": "a node knows no missing values; fill them before the Pipeline",
    "ColumnTransformer": "export it to ONNX with skl2onnx, where its columns are seen",
}


@dataclass(frozen=True)
class _Predicted:
    """A chain of what an estimator predicts from. classes: of a classifier, else None; softmax: behind the chain."""

    chain: Chain
    classes: Sequence[Any] | None = None
    softmax: bool = False


def from_sklearn(estimator: Any, name: str | None = None) -> Imported:
    """A fitted estimator, which decides as its predict() does. name: of the model, by default its type's. NeuronError
    where dense layers cannot do what it does."""
    try:
        return _imported(estimator, name or type(estimator).__name__)
    except NeuronError:
        raise
    except Exception as error:  # fields that are not what fit() leaves there
        raise NeuronError(f"{type(estimator).__name__} is damaged: {first_line(error)}") from None


def _imported(estimator: Any, name: str) -> Imported:
    found = _predicted(estimator, start(_inputs(estimator)))
    if found.classes is None:
        model = numbers(name, found.chain)
    else:
        model = classes_of(name, found.chain, [label(c) for c in found.classes], softmax=found.softmax)
    inputs = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    if inputs and len(inputs) != model.units[0]:
        raise NeuronError(f"{name} is damaged: {counted(len(inputs), 'name')} for {model.units[0]} inputs")
    return replace(model, inputs=inputs)


def load_sklearn(path: Path, *, trust: bool) -> Imported:
    """The estimator of a .joblib or .pkl file. To load one is to run whatever code it holds: only with `trust`."""
    if not trust:
        raise NeuronError(
            f"{path}: to load such a file is to run whatever code it holds: if it is yours, say --trust; better is "
            "ONNX, which only describes a model: skl2onnx.to_onnx(model, x[:1].astype('float32')).SerializeToString()"
        )
    library("sklearn", path.name)
    joblib = library("joblib", path.name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = joblib.load(path)
        except OSError as error:
            raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None
        except (Exception, SystemExit) as error:  # whatever its code raises
            raise NeuronError(
                f"{path}: it cannot be loaded ({first_line(error)}): use the Python and scikit-learn that wrote it"
            ) from None
    model = from_sklearn(estimator, path.stem)
    return replace(model, notes=(*model.notes, *(first_line(warning.message) for warning in caught[:1])))


def _kind(estimator: Any) -> str:
    return type(estimator).__name__ if type(estimator).__module__.startswith("sklearn.") else ""


def _fitted(estimator: Any, attribute: str) -> Any:
    """What fit() leaves there."""
    try:
        return getattr(estimator, attribute)
    except AttributeError:
        raise NeuronError(
            f"{type(estimator).__name__} has no {attribute}: it is not fitted, or no estimator of scikit-learn"
        ) from None


def _inputs(estimator: Any) -> int:
    """How many it takes; a step of a Pipeline that does nothing does not know."""
    if _kind(estimator) == "Pipeline":
        return _inputs(next(step for _, step in estimator.steps if not _does_nothing(step)))
    return int(_fitted(estimator, "n_features_in_"))


def _does_nothing(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


# ------------------------------------------------------------------------------------------------------- the last step


def _predicted(estimator: Any, chain: Chain) -> _Predicted:
    kind = _kind(estimator)
    if kind == "Pipeline":
        for name, step in estimator.steps[:-1]:
            chain = _transformed(step, chain, name)
        return _predicted(estimator.steps[-1][1], chain)
    if kind in SEARCHES:
        return _predicted(_fitted(estimator, "best_estimator_"), chain)
    if kind == "TransformedTargetRegressor":
        found = _predicted(_fitted(estimator, "regressor_"), chain)
        return replace(found, chain=_untransformed(estimator.transformer_, found.chain))
    if kind == "OneVsRestClassifier":
        if estimator.multilabel_:
            raise _several_labels(kind)
        parts = [_predicted(each, chain) for each in _fitted(estimator, "estimators_")]
        scores = joined([part.chain for part in parts])
        if len(parts) == 1 and parts[0].classes is None:  # it fits 0 and 1, and cuts between them
            scores = scores.scaled(1.0, -0.5)
        return _Predicted(scores, _classes(estimator))
    if kind in LINEAR_CLASSIFIERS:
        return _linear_classifier(estimator, kind, chain)
    if kind in LINEAR_REGRESSORS:
        return _Predicted(_linear(estimator, chain))
    if kind in ("MLPClassifier", "MLPRegressor"):
        return _network(estimator, kind, chain)
    whose = "" if kind else ", which is not scikit-learn's own"
    raise NeuronError(f"{type(estimator).__name__}{whose}: {WHAT_WORKS}")


def _classes(estimator: Any) -> Sequence[Any]:
    classes: Sequence[Any] | None = _fitted(estimator, "classes_")
    if classes is None:
        raise NeuronError(f"{type(estimator).__name__} is damaged: its classes_ are None")
    return classes


def _several_labels(kind: str) -> NeuronError:
    return NeuronError(
        f"{kind} gives several labels to a row; a node decides one thing: make a model a label"
    )


def _linear(estimator: Any, chain: Chain) -> Chain:
    """coef_ and intercept_, of one target or several."""
    coefficients = _fitted(estimator, "coef_")
    if hasattr(coefficients, "toarray"):  # after sparsify()
        coefficients = coefficients.toarray()
    weights = np.atleast_2d(real(coefficients))
    return chain.linear(weights, np.broadcast_to(np.ravel(estimator.intercept_), (len(weights),)))


def _linear_classifier(estimator: Any, kind: str, chain: Chain) -> _Predicted:
    scores = _linear(estimator, chain)
    _require_one_label(estimator, kind)
    probability = kind.startswith("LogisticRegression") or getattr(estimator, "loss", "") == "log_loss"
    # Before 1.8 two classes could be fitted as multinomial: then it is sigmoid(2 z).
    if probability and scores.units == 1 and getattr(estimator, "multi_class", "") != "multinomial":
        scores = scores.activated(Activation.SIGMOID)
    return _Predicted(scores, _classes(estimator), kind.startswith("LogisticRegression"))


def _require_one_label(estimator: Any, kind: str) -> None:
    binarizer = getattr(estimator, "_label_binarizer", None)
    if getattr(binarizer, "y_type_", "").startswith("multilabel"):
        raise _several_labels(kind)


def _network(estimator: Any, kind: str, chain: Chain) -> _Predicted:
    hidden, out = estimator.activation, _fitted(estimator, "out_activation_")
    weights: list[Float] = estimator.coefs_
    for index, (matrix, bias) in enumerate(zip(weights, estimator.intercepts_, strict=True)):
        chain = chain.linear(np.transpose(matrix), bias)
        if index < len(weights) - 1 and hidden != "identity":
            chain = chain.activated(ACTIVATIONS[hidden])
    if kind == "MLPRegressor":
        if out != "identity":
            raise NeuronError(f"{kind} with {out} at its end: a node has no such activation there")
        return _Predicted(chain)
    _require_one_label(estimator, kind)
    if out == "logistic":
        chain = chain.activated(Activation.SIGMOID)
    return _Predicted(chain, _classes(estimator), softmax=out == "softmax")


# ----------------------------------------------------------------------------------------------------- steps before it


def _scaling(scaler: Any) -> tuple[Any, Any] | None:
    """factor and offset of a scaler that gives factor * x + offset; None: it is none of those."""
    match _kind(scaler):
        case "StandardScaler":
            factor = 1 / scaler.scale_ if scaler.with_std else 1.0
            return factor, -scaler.mean_ * factor if scaler.with_mean else 0.0
        case "RobustScaler":
            factor = 1 / scaler.scale_ if scaler.with_scaling else 1.0
            return factor, -scaler.center_ * factor if scaler.with_centering else 0.0
        case "MaxAbsScaler" if not getattr(scaler, "clip", False):
            return 1 / scaler.scale_, 0.0
        case "MinMaxScaler" if not scaler.clip:
            return scaler.scale_, scaler.min_
        case "FunctionTransformer" if scaler.func is None and scaler.inverse_func is None:
            return 1.0, 0.0
    return None


def _transformed(step: Any, chain: Chain, name: str) -> Chain:
    kind = _kind(step)
    if _does_nothing(step):
        return chain
    if kind == "Pipeline":
        for inner, each in step.steps:
            chain = _transformed(each, chain, inner)
        return chain
    scaling = _scaling(step)
    if scaling:
        return chain.scaled(*scaling)
    if kind == "PCA":
        weights = step.components_
        if step.whiten:
            weights = weights / np.sqrt(step.explained_variance_)[:, np.newaxis]
        return chain.linear(weights, -weights @ step.mean_)
    why = "with clip=True it is not linear" if kind.startswith("M") and "Scaler" in kind else None
    raise NeuronError(f"step {name!r}, {type(step).__name__}: {why or NOT_LINEAR.get(kind, WHAT_WORKS)}")


def _untransformed(scaler: Any, chain: Chain) -> Chain:
    """Back from the scaled target."""
    scaling = _scaling(scaler)
    if scaling is None:
        raise NeuronError(
            f"TransformedTargetRegressor with {type(scaler).__name__}: its inverse must be linear, as a scaler's is"
        )
    factor, offset = scaling
    return chain.scaled(1 / factor, -offset / factor)

"""host/models/from_sklearn.py: real estimators of the real library, and the node's answers beside theirs."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn.linear_model
import sklearn.svm
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from host.boards.opening import open_node
from host.core.image import encode
from host.core.wire import Activation
from host.errors import NeuronError
from host.models import convert, from_sklearn, load
from host.models.dense import reference
from host.models.imported import Decide
from host.node.staging import deploy
from tests.originals import (
    CLASSES,
    CLASSIFIERS,
    LOADERS,
    ONE_TARGET,
    REGRESSORS,
    alone,
    fitted,
    labels,
    linear,
    network,
    original,
    parts,
    small,
)

STEP, SIGMOID, IDENTITY = Activation.STEP, Activation.SIGMOID, Activation.IDENTITY


# ------------------------------------------------------------------------------------- the node beside the original


@pytest.mark.parametrize("make", [linear, network], ids=["linear", "network"])
@pytest.mark.parametrize("name", LOADERS)
def test_the_node_says_what_the_original_predicts(name: str, make: Any) -> None:
    """On the test rows, but for those that the report counted; numbers within the bound that it gives."""
    model, x = fitted(make(name), name), parts(name).test_x
    image, report = convert(model, x)
    assert encode(report.model) == image
    if name in CLASSES:
        assert (report.predict(x) != model.predict(x)).sum() == report.changed
        assert report.source.decide is not Decide.NUMBERS
    else:
        bound = report.quantisation.error_bound
        assert bound is not None
        assert np.abs(report.predict(x) - model.predict(x)).max() <= bound


@pytest.mark.parametrize("name", CLASSES)
def test_what_differs_is_counted_to_the_row(name: str) -> None:
    """In ranges far wider than the data decisions do change."""
    model, x = fitted(network(name), name), parts(name).test_x
    _, report = convert(model, x, ranges=[(-1e6, 1e6)])
    assert (report.predict(x) != model.predict(x)).sum() == report.changed > 0


@pytest.mark.parametrize("name", ["iris", "breast cancer", "linnerud"])
def test_a_node_of_its_own_says_the_same(name: str) -> None:
    model, x = fitted(network(name), name), parts(name).test_x
    image, report = convert(model, x)
    with open_node("sim") as node:
        deployed = deploy(node, image, x=x)
    outputs = np.array([row.outputs for row in deployed.rows])
    assert (outputs == report.outputs(x)).all()
    assert [row.led for row in deployed.rows] == report.lit(x).tolist()
    if name in CLASSES:
        said = np.array(report.source.classes)[report.source.decisions_of(outputs)[:, 0]]
        assert (said != model.predict(x)).sum() == report.changed


@pytest.mark.parametrize("name", ["iris", "breast cancer"])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_every_classifier_decides_as_it_does(kind: str, name: str) -> None:
    """On all rows: first in float64, where none may differ, then in fixed point, where those are counted."""
    data = parts(name)
    x = np.vstack([data.x, data.test_x])
    model = original(CLASSIFIERS[kind], name)
    if kind == "sparse":
        model[-1].sparsify()
    imported = load(model)
    names = np.array(imported.classes)
    assert (names[imported.decisions(x)[:, 0]] == model.predict(x)).all()
    _, report = convert(imported, x)
    assert (report.predict(x) != model.predict(x)).sum() == report.changed <= len(x) // 50


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, "linnerud") for k in REGRESSORS] + [(k, "diabetes") for k in REGRESSORS | ONE_TARGET],
)
def test_every_regressor_says_what_it_does(kind: str, name: str) -> None:
    model, x = original((REGRESSORS | ONE_TARGET)[kind], name), parts(name).test_x
    imported, said = load(model), model.predict(x).reshape(len(x), -1)
    assert np.abs(reference(imported.layers, x)[1] - said).max() <= 1e-11 * np.abs(said).max()
    _, report = convert(imported, x)
    assert report.quantisation.error_bound is not None
    assert np.abs(report.outputs(x) - said).max() <= report.quantisation.error_bound


def test_what_has_a_probability_keeps_it() -> None:
    data = parts("breast cancer")
    for make in (LogisticRegression, lambda: SGDClassifier(loss="log_loss", random_state=0), small):
        model = original(make, "breast cancer")
        imported = load(model)
        assert (imported.decide, imported.layers[-1].activation) == (Decide.PROBABILITY, SIGMOID)
        p = reference(imported.layers, data.test_x)[1][:, 0]
        assert np.abs(p - model.predict_proba(data.test_x)[:, 1]).max() <= 1e-12


def test_a_score_becomes_a_step_on_the_accumulator() -> None:
    imported = load(original(lambda: Perceptron(random_state=0), "breast cancer"))
    assert (imported.decide, imported.layers[-1].activation) == (Decide.SIGN, STEP)
    assert any("0 or 1" in note for note in imported.notes)


def test_two_classes_that_were_fitted_as_many_have_no_probability_here() -> None:
    """Before scikit-learn 1.8: softmax of -z and z, which is not sigmoid(z)."""
    model = original(LogisticRegression, "breast cancer")
    model[-1].multi_class = "multinomial"
    assert load(model).decide is Decide.SIGN


# ------------------------------------------------------------------------------------------------- steps and names

STEPS = {
    "standard": StandardScaler(),
    "mean alone": StandardScaler(with_std=False),
    "deviation alone": StandardScaler(with_mean=False),
    "min max": MinMaxScaler((-1, 2)),
    "max abs": MaxAbsScaler(),
    "robust": RobustScaler(),
    "robust without centre": RobustScaler(with_centering=False),
    "robust without scale": RobustScaler(with_scaling=False),
    "pca": PCA(3),
    "white pca": PCA(3, whiten=True),
    "nothing": "passthrough",
    "no function": FunctionTransformer(),
    "a pipeline": make_pipeline(MinMaxScaler(), StandardScaler()),
}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_before_it_is_folded(step: str) -> None:
    """Into the one layer that there is, for raw inputs."""
    model = Pipeline([("before", STEPS[step]), ("ridge", Ridge())])
    data = parts("diabetes")
    x, test = data.x * 100 + 300, data.test_x * 100 + 300
    model.fit(x, data.y)
    imported = load(model)
    assert imported.units == (10, 1)
    said = model.predict(test)
    assert np.abs(reference(imported.layers, test)[1][:, 0] - said).max() <= 1e-10 * np.abs(said).max()


def test_columns_keep_their_names() -> None:
    data = LOADERS["iris"](as_frame=True)
    model = alone(LogisticRegression()).fit(data.data, data.target)
    imported = load(model)
    assert imported.inputs == tuple(data.data.columns)
    assert imported.classes == ("0", "1", "2")
    table = data.frame[reversed(data.frame.columns)]
    _, report = convert(model, table)
    assert report.model.names.inputs == imported.inputs
    assert (report.predict(data.data).astype(int) == model.predict(data.data)).all()
    with pytest.raises(NeuronError, match="no column petal width"):
        convert(model, table.drop(columns="petal width (cm)"))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1.0, 2.0], ("1", "2")),
        ([False, True], ("False", "True")),
        (["no", "ja 好"], ("ja 好", "no")),
        ([-1, 1], ("-1", "1")),
    ],
)
def test_classes_keep_their_names(values: list[Any], names: tuple[str, ...]) -> None:
    x = parts("iris").x
    model = SGDClassifier(random_state=0).fit(x, np.array(values)[(x[:, 2] > 3).astype(int)])
    _, report = convert(model, x)
    assert report.source.classes == report.model.names.classes == names
    assert (report.predict(x) == [names[list(model.classes_).index(v)] for v in model.predict(x)]).all()


# ------------------------------------------------------------------------------------------------------- refusals


class Mine(LogisticRegression):
    """Somebody's own, which could predict in any way."""


REFUSED = {
    "a forest": (RandomForestClassifier(3), "RandomForestClassifier: a node runs dense layers"),
    "a tree": (DecisionTreeClassifier(), "DecisionTreeClassifier: a node runs dense layers"),
    "boosting": (GradientBoostingClassifier(n_estimators=2), "GradientBoostingClassifier: a node"),
    "a kernel": (SVC(), "SVC: a node runs dense layers"),
    "neighbours": (KNeighborsClassifier(), "KNeighborsClassifier: a node runs dense layers"),
    "bayes": (GaussianNB(), "GaussianNB: a node runs dense layers"),
    "a subclass": (Mine(), "Mine, which is not scikit-learn's own"),
    "rows' lengths": (
        make_pipeline(Normalizer(), Perceptron()),
        "step 'normalizer', Normalizer: it divides each row",
    ),
    "products": (
        make_pipeline(PolynomialFeatures(), Perceptron()),
        "'polynomialfeatures', .* multiplies inputs",
    ),
    "a clip": (
        make_pipeline(MinMaxScaler(clip=True), Perceptron()),
        "MinMaxScaler: with clip=True it is not linear",
    ),
    "columns": (
        make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1])]), Perceptron()),
        "ColumnTransformer: export it to ONNX",
    ),
    "a function": (
        make_pipeline(FunctionTransformer(np.log1p), Perceptron()),
        "FunctionTransformer: a node runs",
    ),
    "wide": (MLPClassifier((65,), max_iter=2), "a layer of 65 units, a node takes at most 64"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_dense_layers_cannot_do_is_one_line(what: str) -> None:
    model, why = REFUSED[what]
    model = fitted(model, "iris")
    with pytest.raises(NeuronError, match=why) as error:
        load(model)
    assert "\n" not in str(error.value)


def test_other_refusals() -> None:
    x, y = parts("iris").x, labels()
    for model in (small(), RidgeClassifier(), OneVsRestClassifier(Perceptron())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        with pytest.raises(NeuronError, match="several labels to a row"):
            load(model)
    for unfitted in (LinearRegression(), make_pipeline(StandardScaler(), Ridge()), MLPClassifier()):
        with pytest.raises(NeuronError, match="not fitted"):
            load(unfitted)
    for nothing in (None, 3, [1, 2], BaseEstimator()):
        with pytest.raises(NeuronError, match="not fitted, or no estimator of scikit-learn"):
            load(nothing)
    logs = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    with pytest.raises(NeuronError, match="its inverse must be linear"):
        load(fitted(logs, "diabetes"))
    poisson = MLPRegressor("poisson", hidden_layer_sizes=(3,), max_iter=3)
    with pytest.raises(NeuronError, match="MLPRegressor with exp at its end"):
        load(fitted(poisson, "diabetes"))
    many = np.random.default_rng(0).normal(size=(80, 65))
    with pytest.raises(NeuronError, match="65 inputs, a node takes"):
        load(LinearRegression().fit(many, many[:, 0]))


def test_what_a_node_cannot_hold_is_said_by_its_limits() -> None:
    x = parts("digits").x
    deep = fitted(MLPClassifier((3,) * 8, max_iter=2), "iris")
    with pytest.raises(NeuronError, match="9 layers, a node takes at most 8"):
        convert(deep, parts("iris").x)
    large = fitted(MLPClassifier((60, 40), max_iter=2), "digits")
    with pytest.raises(NeuronError, match="longer than the 8192 bytes that a node keeps"):
        convert(large, x)
    for sample in (x[:, 1:], x[0]):
        with pytest.raises(NeuronError, match=r"takes 64 inputs: x must be \(rows, 64\)"):
            convert(fitted(linear("digits"), "digits"), sample)
    with pytest.raises(NeuronError, match="the sample has no rows"):
        convert(fitted(linear("digits"), "digits"), x[:0])
    with pytest.raises(NeuronError, match="not a finite number"):
        convert(fitted(linear("digits"), "digits"), np.where(x == x.max(), np.nan, x))
    with pytest.raises(NeuronError, match="no numbers"):
        convert(fitted(linear("iris"), "iris"), [["a", "b", "c", "d"]])


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("coef_", np.full((3, 4), np.inf), "a weight or bias is not a finite number"),
        ("coef_", np.full((3, 4), 1 + 2j), "a weight or bias is a complex number"),
        ("intercept_", np.full(3, 2j), "a weight or bias is a complex number"),
        ("intercept_", np.zeros(2), "is damaged"),
        ("intercept_", "text", "is damaged"),
        ("coef_", None, "is damaged|not a finite"),
        ("coef_", np.zeros((3, 4, 2)), "is damaged|weights of"),
        ("classes_", None, "its classes_ are None"),
        ("classes_", 3, "is damaged"),
        ("n_features_in_", "four", "is damaged"),
        ("feature_names_in_", np.array(["a", "b"]), "2 names for 4 inputs"),
    ],
)
def test_fields_that_are_damaged_are_one_line(attribute: str, value: Any, why: str) -> None:
    model = fitted(LogisticRegression(max_iter=1000), "iris")
    setattr(model, attribute, value)
    with pytest.raises(NeuronError, match=why) as error:
        load(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make", [LinearRegression, lambda: make_pipeline(StandardScaler(), Ridge())])
@pytest.mark.parametrize("several", [False, True])
def test_regressions_that_tell_classes_apart_cut_where_they_do(make: Any, several: bool) -> None:
    """Of two classes at 0.5; of several the largest."""
    data = LOADERS["iris"]()
    x, y = data.data, data.target if several else data.target == 2
    model = OneVsRestClassifier(make()).fit(x, y)
    imported = load(model)
    said = np.array(imported.classes)[imported.decisions(x)[:, 0]]
    assert (said == model.predict(x).astype(str)).all()
    assert len(set(said)) == (3 if several else 2)
    _, report = convert(imported, x)
    assert (report.predict(x) != said).sum() == report.changed


# ----------------------------------------------------------------------------------------------------------- files


def test_a_file_is_loaded_only_with_trust(tmp_path: Path) -> None:
    model = fitted(linear("iris"), "iris")
    for name in ("m.joblib", "m.pkl"):
        path = tmp_path / name
        joblib.dump(model, path)
        with pytest.raises(NeuronError, match=r"runs? whatever code it holds.*--trust.*skl2onnx"):
            load(path)
        loaded, direct = load(path, trust=True), load(model)
        assert loaded.name == "m"
        assert (loaded.decisions(parts("iris").x) == direct.decisions(parts("iris").x)).all()


class Bomb:
    """What runs when it is loaded."""

    def __reduce__(self) -> Any:
        return (exec, ("raise RuntimeError('boom\\nsecond line')",))


def test_without_trust_nothing_of_a_file_runs(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    joblib.dump(Bomb(), path)
    with pytest.raises(NeuronError, match="--trust"):
        load(path)
    with pytest.raises(NeuronError, match=r"cannot be loaded .boom.") as error:
        load(path, trust=True)
    assert "second" not in str(error.value)


class Exit:
    def __reduce__(self) -> Any:
        return (sys.exit, (0,))


def test_a_file_that_ends_the_program_does_not(tmp_path: Path) -> None:
    joblib.dump(Exit(), tmp_path / "m.joblib")
    with pytest.raises(NeuronError, match=r"m.joblib: it cannot be loaded"):
        load(tmp_path / "m.joblib", trust=True)


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.joblib"
    joblib.dump(fitted(linear("iris"), "iris"), path)
    whole = path.read_bytes()
    for damaged in (b"", b"\0" * 40, whole[:100], whole[: len(whole) // 2], b"not a pickle at all"):
        path.write_bytes(damaged)
        with pytest.raises(NeuronError, match=r"m.joblib: it cannot be loaded") as error:
            load(path, trust=True)
        assert "\n" not in str(error.value)


def test_a_version_that_does_not_match_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.3.0")
        joblib.dump(fitted(LogisticRegression(), "iris"), tmp_path / "old.joblib")
    assert any("1.3.0" in note for note in load(tmp_path / "old.joblib", trust=True).notes)


def test_the_estimators_that_are_read_are_there() -> None:
    for name in from_sklearn.LINEAR_CLASSIFIERS | from_sklearn.LINEAR_REGRESSORS:
        assert hasattr(sklearn.linear_model, name) or hasattr(sklearn.svm, name), name

"""host/models/from_onnx.py: graphs as skl2onnx and torch.onnx export them, every node that is read, damaged files."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from host.errors import NeuronError
from host.models import convert, load
from host.models.dense import reference
from host.models.imported import Imported
from tests.graphs import ADD, MATMUL, WB, graph
from tests.originals import (
    CLASSES,
    CLASSIFIERS,
    LOADERS,
    ONE_TARGET,
    REGRESSORS,
    fitted,
    labels,
    linear,
    network,
    original,
    parts,
)

ML = "ai.onnx.ml"


def exported(model: Any, x: Any, path: Path | None = None, **options: Any) -> Any:
    made = to_onnx(model, np.asarray(x[:1], np.float32), **options)
    if path is not None:
        path.write_bytes(made.SerializeToString())
    return made


# ------------------------------------------------------------------------------------------------- real exports


@pytest.mark.parametrize("make", [linear, network], ids=["linear", "network"])
@pytest.mark.parametrize("name", LOADERS)
def test_the_node_says_what_the_original_predicts(name: str, make: Any, tmp_path: Path) -> None:
    """From the file, on the test rows, but for those that the report counted; numbers within the bound."""
    model, x = fitted(make(name), name), parts(name).test_x
    exported(model, x, tmp_path / "m.onnx")
    _, report = convert(tmp_path / "m.onnx", x)
    assert report.source.name == "m"
    if name in CLASSES:
        assert (report.predict(x) != model.predict(x)).sum() == report.changed
    else:
        said, bound = model.predict(x).reshape(len(x), -1), report.quantisation.error_bound
        of_the_file = np.abs(reference(report.source.layers, x)[1] - said).max()  # its weights are float32
        assert bound is not None
        assert of_the_file <= 1e-5 * np.abs(said).max()
        assert np.abs(report.outputs(x) - said).max() <= bound + of_the_file


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("name", ["iris", "breast cancer"])
@pytest.mark.parametrize(
    "kind",
    sorted(set(CLASSIFIERS) - {"sgd huber", "sparse", "grid search", "linear svc"}),
)
def test_every_classifier_decides_as_it_does(kind: str, name: str, zipmap: bool) -> None:
    data = parts(name)
    model = original(CLASSIFIERS[kind], name)
    options = {} if zipmap or kind in ("ridge", "ridge cv") else {"options": {"zipmap": False}}
    imported = load(exported(model, data.x, **options))
    direct = load(model)
    assert (imported.classes, imported.decide, imported.units) == (
        direct.classes,
        direct.decide,
        direct.units,
    )
    assert not any("left out" in note for note in imported.notes)
    x = np.vstack([data.x, data.test_x])
    assert (np.array(imported.classes)[imported.decisions(x)[:, 0]] == model.predict(x)).all()


@pytest.mark.parametrize(
    "kind", sorted(set(REGRESSORS | ONE_TARGET) - {"scaled target", "target to 0..1", "target as it is"})
)
def test_every_regressor_says_what_it_does(kind: str) -> None:
    model, x = original((REGRESSORS | ONE_TARGET)[kind], "diabetes"), parts("diabetes").test_x
    said = model.predict(x)
    outputs = reference(load(exported(model, x)).layers, x)[1][:, 0]
    assert np.abs(outputs - said).max() <= 2e-6 * np.abs(said).max()


@pytest.mark.parametrize(
    "step", [MinMaxScaler(), MaxAbsScaler(), RobustScaler(), PCA(3, whiten=True), "columns"], ids=str
)
def test_steps_before_it_are_folded(step: Any) -> None:
    if step == "columns":
        step = ColumnTransformer([("a", StandardScaler(), [3, 1]), ("b", "passthrough", [0])])
    model, x = fitted(make_pipeline(step, Ridge()), "diabetes"), parts("diabetes").test_x
    imported = load(exported(model, x))
    assert imported.units == (10, 1)
    said = model.predict(x)
    assert np.abs(reference(imported.layers, x)[1][:, 0] - said).max() <= 2e-6 * np.abs(said).max()


def test_inputs_of_one_column_each_keep_their_names() -> None:
    data = LOADERS["iris"](as_frame=True)
    table = data.data.astype(np.float32)
    table.columns = ["a", "b", "c", "d"]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, data.target)
    imported = load(to_onnx(model, table[:1]))
    assert imported.inputs == ("a", "b", "c", "d")
    assert (imported.decisions(table)[:, 0] == model.predict(table)).all()


def test_a_classifier_without_probabilities_decides_as_it_does() -> None:
    for name in ("iris", "breast cancer"):
        model, x = fitted(LinearSVC(random_state=0), name), parts(name).test_x
        imported = load(exported(model, x))
        assert (np.array(imported.classes)[imported.decisions(x)[:, 0]] == model.predict(x)).all()


REFUSED = {
    "a forest": (
        RandomForestClassifier(3),
        "node 2 of 4, TreeEnsembleClassifier '.*': it wants decision trees",
    ),
    "boosting": (
        GradientBoostingClassifier(n_estimators=2),
        "TreeEnsembleClassifier '.*': it wants decision trees",
    ),
    "a forest of numbers": (RandomForestRegressor(3), "node 2 of 2, TreeEnsembleRegressor"),
    "a tree of numbers": (DecisionTreeRegressor(), "node 2 of 2, TreeEnsembleRegressor"),
    "a kernel": (SVC(), "node 2 of .*, SVMClassifier '.*': it wants a kernel"),
    "neighbours": (KNeighborsClassifier(), "node .* of .*, .*: it wants"),
    "rows' lengths": (
        make_pipeline(Normalizer(), Ridge()),
        "node 1 of 2, Normalizer '.*': it divides each row",
    ),
    "a clip of scores": (
        SGDClassifier(loss="modified_huber", random_state=0),
        "node 4 of 19, Clip '.*': it wants an activation",
    ),
    "wide": (MLPClassifier((65,), max_iter=2), "Relu '.*': a layer of 65 units, a node takes at most 64"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_dense_layers_cannot_do_is_named_by_its_node(what: str) -> None:
    model, why = REFUSED[what]
    name = "diabetes" if "number" in what or "lengths" in what else "iris"
    with pytest.raises(NeuronError, match=why) as error:
        load(
            exported(
                original(lambda: model, name) if what != "rows' lengths" else fitted(model, name),
                parts(name).x,
            )
        )
    assert "\n" not in str(error.value)


def test_several_labels_are_refused() -> None:
    model = MLPClassifier((3,), max_iter=2).fit(parts("iris").x, labels())
    with pytest.raises(NeuronError, match=r"Binarizer '.*': it wants several labels at once"):
        load(exported(model, parts("iris").x))


# ------------------------------------------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "iris.onnx"
    exported(fitted(network("iris"), "iris"), parts("iris").x, path)
    return path


def outcome(path: Path) -> Imported | str:
    """A model, or the line that says why there is none."""
    try:
        return load(path)
    except NeuronError as error:
        return str(error)


def one_line(found: Imported | str, path: Path) -> bool:
    return isinstance(found, str) and "\n" not in found and str(path) in found


def test_cut_files_are_one_line(file: Path, tmp_path: Path) -> None:
    whole, path = file.read_bytes(), tmp_path / "cut.onnx"
    assert isinstance(outcome(file), Imported)
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        assert one_line(outcome(path), path), end


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_are_one_line_or_a_model(file: Path, tmp_path: Path, seed: int) -> None:
    """Bytes changed, put in, taken out: what still is a graph may be a model, which a node can hold or not."""
    whole, path, chance = file.read_bytes(), tmp_path / "bad.onnx", random.Random(seed)
    seen = set()
    for _ in range(250):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(damaged))
            match chance.randrange(4):
                case 0:
                    damaged[at] ^= 1 << chance.randrange(8)
                case 1:
                    damaged[at] = chance.randrange(256)
                case 2:
                    del damaged[at : at + chance.randrange(1, 9)]
                case 3:
                    damaged[at:at] = chance.randbytes(chance.randrange(1, 9))
        path.write_bytes(damaged)
        found = outcome(path)
        seen.add(type(found))
        assert isinstance(found, Imported) or one_line(found, path)
        if isinstance(found, Imported) and found.units[0] == 4:
            with suppress(NeuronError):  # such weights as a node cannot hold
                convert(found, parts("iris").x)
    assert seen == {str, Imported}


def test_files_that_are_none_are_one_line(tmp_path: Path) -> None:
    for name, why in (
        ("none.onnx", "it is not there"),
        ("model.h5", "a model's file ends in .onnx"),
        ("model", "a model's file ends in"),
    ):
        with pytest.raises(NeuronError, match=why):
            load(tmp_path / name)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(NeuronError, match="it is no file"):
        load(tmp_path / "folder.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(NeuronError, match=r"empty.onnx: it is empty"):
        load(tmp_path / "empty.onnx")
    with open(tmp_path / "large.onnx", "wb") as large:
        large.truncate(1 << 27)
    with pytest.raises(NeuronError, match="134217728 bytes, a model for a node is far smaller"):
        load(tmp_path / "large.onnx")
    with pytest.raises(NeuronError, match="activations are for the state dict"):
        load(tmp_path / "large.onnx", activation=["relu"])


def test_weights_in_another_file_are_found_there(tmp_path: Path) -> None:
    apart, made = tmp_path / "apart.onnx", graph([MATMUL, ADD], WB)
    together = load(made)
    onnx.save(made, str(apart), save_as_external_data=True, size_threshold=0, location="apart.data")
    assert (load(apart).layers[0].weights == together.layers[0].weights).all()
    with pytest.raises(NeuronError, match="the weights 'w' stand in another file"):
        load(onnx.load(str(apart), load_external_data=False))
    (tmp_path / "apart.data").unlink()
    assert one_line(outcome(apart), apart)

"""Models of the libraries that host.models reads: fitted on scikit-learn's own data sets, as people fit them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

LOADERS: dict[str, Callable[..., Any]] = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "diabetes": datasets.load_diabetes,
    "linnerud": datasets.load_linnerud,
}
CLASSES = ("iris", "wine", "breast cancer", "digits")
"""The sets whose targets are classes; those of the others are numbers."""


@dataclass(frozen=True)
class Parts:
    """Every fifth row is for tests. y: names of classes, or numbers."""

    x: NDArray[np.float64]
    y: NDArray[Any]
    test_x: NDArray[np.float64]
    test_y: NDArray[Any]


@cache
def parts(name: str) -> Parts:
    data = LOADERS[name]()
    y = np.array([str(n) for n in data.target_names])[data.target] if name in CLASSES else data.target
    test = np.arange(len(data.data)) % 5 == 4
    return Parts(data.data[~test], y[~test], data.data[test], y[test])


def linear(name: str) -> Any:
    """What people try first."""
    return make_pipeline(StandardScaler(), LogisticRegression() if name in CLASSES else Ridge())


def network(name: str) -> Any:
    hidden = {"digits": (24,), "breast cancer": (8, 8)}.get(name, (10,))
    kind = MLPClassifier if name in CLASSES else MLPRegressor
    return make_pipeline(StandardScaler(), kind(hidden_layer_sizes=hidden, max_iter=200, random_state=0))


def fitted(model: Any, name: str) -> Any:
    """The model, fitted to the training rows; where it stops is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(parts(name).x, parts(name).y)


# ------------------------------------------------------------------------------------------- everything that is read


def alone(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


def small(**options: Any) -> Any:
    return MLPClassifier(hidden_layer_sizes=(6, 5), max_iter=60, random_state=0, **options)


CLASSIFIERS = {
    "logistic": lambda: LogisticRegression(max_iter=1000),
    "logistic without intercept": lambda: LogisticRegression(fit_intercept=False, max_iter=1000),
    "logistic cv": lambda: LogisticRegressionCV(cv=3, max_iter=1000),
    "one against rest": lambda: OneVsRestClassifier(LogisticRegression(max_iter=1000)),
    "sgd hinge": lambda: SGDClassifier(random_state=0),
    "sgd log": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "sgd huber": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "perceptron": lambda: Perceptron(random_state=0),
    "ridge": lambda: RidgeClassifier(),
    "ridge cv": lambda: RidgeClassifierCV(),
    "linear svc": lambda: LinearSVC(random_state=0, max_iter=5000),
    "relu": lambda: small(activation="relu"),
    "tanh": lambda: small(activation="tanh"),
    "logistic units": lambda: small(activation="logistic"),
    "identity units": lambda: small(activation="identity"),
    "sparse": lambda: SGDClassifier(penalty="l1", random_state=0),
    "grid search": lambda: GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]}, cv=3),
}
REGRESSORS = {
    "linear": LinearRegression,
    "ridge": Ridge,
    "ridge cv": RidgeCV,
    "lasso": Lasso,
    "elastic net": ElasticNet,
    "relu": lambda: MLPRegressor(hidden_layer_sizes=(6, 5), max_iter=60, random_state=0),
    "tanh": lambda: MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=60, random_state=0),
    "logistic units": lambda: MLPRegressor(hidden_layer_sizes=(6,), activation="logistic", random_state=0),
    "identity units": lambda: MLPRegressor(hidden_layer_sizes=(70, 6), activation="identity", random_state=0),
    "scaled target": lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "target to 0..1": lambda: TransformedTargetRegressor(LinearRegression(), transformer=MinMaxScaler()),
    "target as it is": lambda: TransformedTargetRegressor(LinearRegression()),
}
ONE_TARGET = {
    "lasso cv": LassoCV,
    "elastic net cv": ElasticNetCV,
    "sgd": lambda: SGDRegressor(random_state=0),
    "huber": lambda: HuberRegressor(max_iter=1000),
    "linear svr": lambda: LinearSVR(random_state=0),
}


def original(make: Any, name: str) -> Any:
    """One of those, behind a StandardScaler, fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of estimators that are on their way out, or need more epochs
        return fitted(alone(make()), name)


def labels() -> Any:
    """Three labels to a row of iris, each 0 or 1."""
    return np.eye(3, dtype=int)[np.unique(parts("iris").y, return_inverse=True)[1]]

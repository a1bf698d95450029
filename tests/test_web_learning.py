"""The learner's page: what can be trained, and what is told of a training."""

from __future__ import annotations

import json

import pytest

from host.data.dataset import BUILT_IN
from host.training.recipes import RECIPES
from host.web import learning


def test_the_articles_models_are_offered_with_their_data_and_their_ways() -> None:
    offered = {recipe["key"]: recipe for recipe in learning.recipes()}
    assert list(offered) == ["wx", "wxb", "and", "logistic", "mlp"]
    json.dumps(list(offered.values()), allow_nan=False)
    for key in ("wx", "wxb", "and", "logistic"):
        recipe, article, data = offered[key], RECIPES[key], BUILT_IN[key]
        assert recipe["samples"]["x"] == data.x.tolist()
        assert recipe["samples"]["y"] == data.targets.tolist()
        assert (recipe["rate"], recipe["epochs"], recipe["start"]) == (
            article.rate,
            article.epochs,
            list(article.start),
        )
        assert recipe["surface"] == (len(article.start) <= 2)
    assert offered["and"]["parameters"] == ["w1", "w2", "b"]
    assert offered["wx"]["stable_rate"] == pytest.approx(2 / (2 * 14 / 3))
    assert offered["logistic"]["stable_rate"] is None
    network = offered["mlp"]
    assert (network["layers"], network["start"], network["seed"]) == ([2, 4, 1], [], 0)
    assert network["parameters"][:3] == ["h1 x1", "h1 x2", "h2 x1"]
    assert network["parameters"][-5:] == ["y h1", "y h2", "y h3", "y h4", "y b"]
    assert all(recipe["boundary"] for recipe in offered.values())

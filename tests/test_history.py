"""The history of a training: whole where it is short, thinned where it is long, exact wherever it says anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from host.core.learn import Config
from host.core.wire import Activation
from host.show.report import loss_lines
from host.show.subject import training_subject
from host.train import main
from host.training import fit as fit_module
from host.training.fit import FIRST, KEPT_MAX, KEPT_MIN, KEPT_NUMBERS, Epoch, fit
from host.training.options import Options
from host.training.pipeline import train
from host.training.plan import make_plan
from host.training.trained import overfitting

LINE = Config((1, 1), (Activation.IDENTITY,), epochs=10**9)
WIDE = Config((64, 32, 10), (Activation.RELU, Activation.IDENTITY), epochs=10**9)
SHORT_HISTORY = {"KEPT_MIN": 150, "KEPT_MAX": 150}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Histories are thinned from 150 epochs on."""
    for name, value in SHORT_HISTORY.items():
        monkeypatch.setattr(fit_module, name, value)


def pretend(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A descent of so many epochs that costs nothing: the loss falls, and each parameter is the epoch's number."""

    def epochs(config: Config, *_: Any) -> Iterator[tuple[float, list[float]]]:
        for number in range(count):
            yield 1 / (1 + number), [float(number)] * config.count

    monkeypatch.setattr(fit_module, "epochs", epochs)
    monkeypatch.setattr(fit_module, "require_stable", lambda *_: None)


@pytest.mark.parametrize("count", [1, 2, FIRST, 5000, KEPT_MAX])
def test_a_neuron_s_history_is_whole(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, count)
    done = fit(LINE, [[1.0]], [1.0], [0.0, 0.0])
    assert done.history == done.spread == [Epoch(n, 1 / (1 + n), [float(n)], float(n)) for n in range(count)]
    assert (done.every, done.epochs, done.end) == (1, count, done.history[-1])


@pytest.mark.parametrize("config", [LINE, WIDE])
def test_a_long_history_is_bounded_and_its_ends_are_whole(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 30_001
    pretend(monkeypatch, count)
    done = fit(config, [[1.0]], [1.0], [])
    numbers = [epoch.epoch for epoch in done.history]
    assert numbers == sorted({*range(FIRST), *range(0, count, done.every), count - 1})
    assert done.epochs == count
    most = max(KEPT_MIN, min(KEPT_MAX, KEPT_NUMBERS // config.count))
    assert most // 3 < len(numbers) <= most + 2
    for epoch in done.history:
        assert epoch.loss == 1 / (1 + epoch.epoch)
        assert set(epoch.parameters) == {float(epoch.epoch)}
    assert [epoch.epoch for epoch in done.spread] == sorted({*range(0, count, done.every), count - 1})


def overfitted(epochs: int, **more: Any) -> Options:
    """A network that learns noise by heart."""
    return Options(
        "mlp", layers=[10, 7, 10], epochs=epochs, split=[20, 80, 0], algorithm="adam", rate=0.02, **more
    )


def test_what_is_kept_is_what_a_whole_history_has(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    thinned = train(make_plan(overfitted(700, full_history=True)))
    monkeypatch.setattr(fit_module, "KEPT_MAX", 10_000)
    whole = train(make_plan(overfitted(700)))
    history = {epoch.epoch: epoch for epoch in whole.fit.history}
    assert len(thinned.fit.history) < 250 < len(history) == 700
    assert all(epoch == history[epoch.epoch] for epoch in thinned.fit.history)
    assert thinned.image == whole.image
    assert overfitting(thinned.fit.history) == overfitting(whole.fit.history) is not None
    losses = thinned.fit.losses
    assert losses is not None
    assert [(e.loss, e.validation) for e in losses] == [(e.loss, e.validation) for e in whole.fit.history]
    assert not any(len(epoch.w) for epoch in losses)


def test_patience_ends_at_the_same_model(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    thinned = train(make_plan(overfitted(2000, patience=300)))
    monkeypatch.setattr(fit_module, "KEPT_MAX", 10_000)
    whole = train(make_plan(overfitted(2000, patience=300)))
    assert (thinned.fit.end, thinned.fit.stopped, thinned.image) == (
        whole.fit.end,
        whole.fit.stopped,
        whole.image,
    )
    assert thinned.fit.epochs == whole.fit.epochs == whole.fit.end.epoch + 301
    assert thinned.fit.every > 1
    subject = training_subject(thinned)
    assert subject.counts is not None
    assert subject.counts[subject.last] == thinned.fit.end.epoch + 1
    assert subject.path[subject.last].tolist() == list(thinned.fit.end.parameters)


def test_table_and_curve_of_a_thinned_history(short: None) -> None:
    result = train(make_plan(Options("wx", epochs=1001)))
    subject = training_subject(result)
    assert list(subject.counts or []) == [0, *(epoch.epoch + 1 for epoch in result.fit.history)]
    assert subject.title.endswith("1001 epochs")
    lines = loss_lines(result)
    assert result.fit.every == 32
    assert [line.split()[0] for line in lines[1:7]] == ["0", "32", "256", "512", "768", "1000"]
    assert lines[-1].split() == ["0", "epoch", "1000"]


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert isinstance(result, dict)
    return result


def test_json_says_what_it_left_out(short: None, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--model", "wx", "--epochs", "700")
    thinned, full = json_of(capsys, *arguments), json_of(capsys, *arguments, "--full-history")
    assert (thinned["epochs"], full["epochs"], full["history_every"]) == (700, 700, 1)
    assert thinned["history_every"] > 1
    assert [epoch["epoch"] for epoch in full["history"]] == list(range(700))
    assert thinned["history"] == [full["history"][epoch["epoch"]] for epoch in thinned["history"]]
    assert thinned["history"][-1] == full["history"][-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--model wx --full-history", "--full-history goes with --json"),
        ("--model wx --algorithm grid --full-history --json", "does not go with --algorithm grid"),
        ("--model wx --epochs 1000000 --full-history --json", "--epochs 909090 at most"),
        ("--model mlp --epochs 1000001 --full-history --json", "--epochs 1000000 at most"),
    ],
)
def test_a_full_history_is_refused_before_the_training(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert says in capsys.readouterr().err

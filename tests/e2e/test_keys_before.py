"""What a node will not obey is said before the work that was to end there, and nothing is told to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from host import convert, deploy, keys, predict, settings, train
from host.cli.key import VARIABLE
from host.core.image import encode
from host.core.wire import REASON_TEXT, Reason
from host.errors import EXIT_FAILURE
from host.node import keyfile
from host.node.keyed import KEYLESS
from host.node.keyfile import read_key
from tests.e2e.scenario import AND
from tests.e2e.stand_in import silence, stand_in
from tests.graphs import MATMUL, W, X, graph, node
from tests.obeying_node import ObeyingNode, signer
from tests.patience import ANSWER

PASSPHRASE = "correct horse"
Main = Callable[[list[str]], int]
Way = tuple[Main, list[str]]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert keys.main(["new", str(tmp_path / "site.key")]) == 0
    capsys.readouterr()
    return str(tmp_path / "site.key")


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Way]:
    """Commands that have long work before they deploy, up to PORT; the work itself fails."""

    def begun(*args: object, **options: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("host.training.pipeline.train", begun)
    monkeypatch.setattr("host.models.convert", begun)
    made = graph([MATMUL, node("Sigmoid", "h")], {"w": W})
    (tmp_path / "three.onnx").write_bytes(made.SerializeToString())
    np.savetxt(tmp_path / "t.csv", X, delimiter=",", header="p,q,r,s", comments="")
    return [
        (train.main, ["--model", "and", "--deploy"]),
        (train.main, ["--model", "and", "--on-board", "--deploy"]),
        (convert.main, [str(tmp_path / "three.onnx"), "--data", str(tmp_path / "t.csv"), "--deploy"]),
    ]


@pytest.fixture
def deeds(tmp_path: Path) -> list[Way]:
    """Commands that are done at once, up to PORT."""
    (tmp_path / "and.img").write_bytes(encode(AND))
    return [
        (lambda argv: deploy.main([argv[-1], str(tmp_path / "and.img"), *argv[:-1]]), []),
        (lambda argv: deploy.main([argv[-1], "--acknowledge", *argv[:-1]]), []),
        (lambda argv: settings.main([argv[-1], "--debounce", "7", *argv[:-1]]), []),
        (lambda argv: settings.main([argv[-1], "--restart", *argv[:-1]]), []),
        (lambda argv: predict.main([argv[-1], "1", "1", *argv[:-1]]), []),
    ]


def refused(
    capsys: pytest.CaptureFixture[str], way: Way, port: str, *options: str, timeout: float = ANSWER
) -> str:
    main, arguments = way
    assert main([*options, "--timeout", str(timeout), *arguments, port]) == EXIT_FAILURE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    return err.removeprefix("error: ").rstrip("\n")


def test_a_node_that_obeys_a_key_is_asked_before_the_work(
    works: list[Way],
    key: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = ObeyingNode(key=read_key(key).public)
    with stand_in(own.answer) as port:
        for way in works:
            assert refused(capsys, way, port) == REASON_TEXT[Reason.UNSIGNED]
            with monkeypatch.context() as without:
                without.setenv(VARIABLE, "battery staple")
                asked = own.asked
                assert "passphrase" in refused(capsys, way, port, "--key", key)
                assert own.asked == asked
            with pytest.raises(AssertionError, match="the work has begun"):
                refused(capsys, way, port, "--key", key)
    other = ObeyingNode(key=signer().public)
    with stand_in(other.answer) as port:
        for way in works:
            assert "the wrong file, the wrong node" in refused(capsys, way, port, "--key", key)
    for one in (own, other):
        assert not one.written
        assert not one.obeyed


def test_a_locked_node_is_asked_before_the_work(works: list[Way], capsys: pytest.CaptureFixture[str]) -> None:
    locked = ObeyingNode(locked=True)
    with stand_in(locked.answer) as port:
        for way in works:
            assert refused(capsys, way, port) == REASON_TEXT[Reason.LOCKED]
    assert locked.written == []


def test_a_node_that_does_not_answer_is_asked_before_the_work(
    works: list[Way], capsys: pytest.CaptureFixture[str]
) -> None:
    with stand_in(silence) as port:
        for way in works:
            assert "no answer from address 1" in refused(capsys, way, port, timeout=0.001)


def test_a_node_without_a_key_is_told_nothing_by_who_signs(
    works: list[Way], deeds: list[Way], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = ObeyingNode()
    with stand_in(fresh.answer) as port:
        for way in (*works, *deeds):
            assert refused(capsys, way, port, "--key", key) == KEYLESS
    assert not fresh.written
    assert not fresh.obeyed


@pytest.mark.parametrize("port", ["sim", "renode"])
def test_a_node_of_its_own_has_no_key(
    works: list[Way], key: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for way in works:
        assert "of its own has no key: leave --key out" in refused(capsys, way, port, "--key", key)

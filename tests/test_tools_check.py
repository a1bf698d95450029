"""What the front-door commands say before they begin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from host.compiler import ROOT
from host.errors import NeuronError
from tools import check, demo


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"tools/{name}.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("name", ["check", "demo"])
def test_help_is_said_and_nothing_done(name: str) -> None:
    result = script(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: python3 tools/{name}.py ")


def test_the_steps_are_listed() -> None:
    result = script("check", "--list")
    assert (result.returncode, result.stderr) == (0, "")
    names = [step.name for step in check.steps()]
    assert [line[:14].strip() for line in result.stdout.splitlines()] == names
    assert all(line[15:] for line in result.stdout.splitlines())


@pytest.mark.parametrize("wrong", [["rufff"], ["ruff", "firmware"], ["--list", "all"]])
def test_an_unknown_step_is_an_error(wrong: list[str]) -> None:
    result = script("check", *wrong)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: there is no step {wrong[-1]!r}: the steps are ruff, 'ruff format', mypy,")


@pytest.fixture
def nothing_to_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(check, "JUNIT", tmp_path / "pytest.xml")
    monkeypatch.setattr(
        check, "ensure_debian", lambda programs: {"cppcheck": "sudo apt-get install cppcheck"}
    )
    monkeypatch.setattr(check, "ensure_python", lambda lock: None)
    monkeypatch.setattr(check.monocypher, "fetch", lambda python: None)


def summary(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().out.split("== summary\n")[1].splitlines()


def test_the_summary_counts(nothing_to_set_up: None, capfd: pytest.CaptureFixture[str]) -> None:
    """What is left out has neither passed nor failed."""
    steps = [
        check.Step("good", "", ["true"]),
        check.Step("bad", "", ["false"]),
        check.Step("cppcheck", "", ["true"], needs="cppcheck"),
    ]
    assert check.check(steps) == 1
    assert summary(capfd) == [
        "   left out: 1 x cppcheck: sudo apt-get install cppcheck",
        "   failed: bad",
        "1 passed, 1 failed",
    ]
    assert check.check(steps[:1]) == 0
    assert summary(capfd) == ["1 passed, 0 failed"]


def offline(python: str) -> Path:
    raise NeuronError("no network")


def test_the_checks_want_the_library(
    nothing_to_set_up: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check.monocypher, "fetch", offline)
    with pytest.raises(SystemExit, match="2"):
        check.check([])
    assert capfd.readouterr() == ("", "error: no network\n")


def test_the_demo_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--seed", "1"])
    monkeypatch.setattr(demo, "ensure_python", lambda: Path("python"))
    monkeypatch.setattr(demo.monocypher, "fetch", offline)
    started: list[list[str]] = []
    monkeypatch.setattr(demo.os, "execv", lambda path, command: started.append(command))
    demo.main()
    assert started == [["python", "-m", "host.train", "--deploy", "sim", "--seed", "1"]]
    out, err = capfd.readouterr()
    assert (out, err) == ("", "warning: no network (the simulated node goes without hashes and keys)\n")


@pytest.mark.parametrize("name", ["check", "demo"])
def test_an_old_python_is_said(name: str) -> None:
    code = "import runpy, sys; sys.version_info = (3, 10); runpy.run_path(sys.argv[1])"
    result = subprocess.run(
        [sys.executable, "-c", code, f"tools/{name}.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: Python 3.11 or newer is needed; this is ")
    assert result.stderr.count("\n") == 1


def test_the_workflow_names_what_is_there() -> None:
    """Actions by commit, with the version beside it; packages from the locks; caches that know them."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    actions = re.findall(r"- uses: (.*)", text)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    for key in re.findall(r"key: (.*)", text):
        assert "requirements/" in key, key
    for name in re.findall(r"requirements/\S+?\.txt", text):
        assert (ROOT / name).exists(), name
    for line in re.findall(r"pip install .*", text):
        assert line.startswith("pip install --require-hashes -r requirements/"), line

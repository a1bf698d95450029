"""The locks of the Python packages, and the environments that are made from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import environment, lock

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\]+)?")


def pins(name: str) -> dict[str, set[str]]:
    """The packages of a lock with their versions: more than one where it depends on the machine."""
    found: dict[str, set[str]] = {}
    for line in (environment.REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            match = PIN.match(line.removesuffix("\\").strip())
            assert match, line
            found.setdefault(match["name"], set()).add(match["version"])
    return found


# ------------------------------------------------------------------------------------------------------- the files


def test_they_are_those_of_pyproject() -> None:
    assert lock.stale() == [], "run python3 -m tools.lock"
    assert {path.stem for path in environment.REQUIREMENTS.iterdir()} == set(lock.LOCKS)


@pytest.mark.parametrize("name", lock.LOCKS)
def test_every_package_has_its_hashes_and_nothing_says_where_it_comes_from(name: str) -> None:
    text = (environment.REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    body = text.removeprefix(lock.head(name))
    packages = re.split(r"\n(?=\S)", body.strip())
    for package in packages:
        pin, *hashes = [line.removesuffix("\\").strip() for line in package.splitlines()]
        assert PIN.fullmatch(pin), pin
        assert hashes, pin
        for line in hashes:
            assert re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize("name", lock.LOCKS)
def test_they_have_what_is_asked_for(name: str) -> None:
    found = pins(name)
    for text in lock.wanted(name):
        requirement = Requirement(text)
        versions = found[requirement.name.lower()]
        assert all(requirement.specifier.contains(version) for version in versions), text


@pytest.mark.parametrize(("holder", "held"), [(a, b) for a, some in environment.HELD.items() for b in some])
def test_a_lock_that_is_held_has_the_same_versions(holder: str, held: str) -> None:
    every = pins(holder)
    for package, versions in pins(held).items():
        assert versions <= every[package], package


def test_the_demo_gets_no_tools() -> None:
    assert not pins("demo").keys() & {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "unicorn",
        "platformio",
        "scons",
    }


# ----------------------------------------------------------------------------------------------------- to renew them


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of one package each, that of an earlier pyproject.toml; PATH has only what the test puts there."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    for name in lock.LOCKS:
        (folder / f"{name}.txt").write_text("old==1\n")
    monkeypatch.setattr(lock, "REQUIREMENTS", folder)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return folder


def put_uv(elsewhere: Path, script: str) -> None:
    program = elsewhere.parent / "bin" / "uv"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def one_line(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    return line


def test_stale_locks_are_named(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "demo.txt").write_text(lock.head("demo") + "numpy==2\n")
    (elsewhere / "renode.txt").unlink()
    assert lock.stale() == ["check", "build", "firmware", "renode"]
    with pytest.raises(SystemExit, match="2"):
        lock.main(["--check"])
    assert "check, build, firmware, renode; run python3 -m tools.lock" in one_line(capfd)


def test_they_are_made_for_what_pyproject_asks(elsewhere: Path) -> None:
    """A stand-in for uv: writes what it was asked for, and what it was given."""
    put_uv(elsewhere, 'while [ "$1" != --output-file ]; do shift; done; { cat; echo; echo "$@"; } >> "$2"')
    assert lock.main([]) == 0
    assert lock.stale() == []
    for name in lock.LOCKS:
        text = (elsewhere / f"{name}.txt").read_text()
        assert text.startswith(lock.head(name) + "old==1\n")
        assert "\n".join(lock.wanted(name)) in text
        assert ("--constraints" in text) is (name != lock.FIRST)
        assert "--upgrade" not in text
    assert lock.main(["--upgrade"]) == 0
    assert "--upgrade" in (elsewhere / "demo.txt").read_text()
    assert {path.name for path in elsewhere.iterdir()} == {f"{name}.txt" for name in lock.LOCKS}


def test_locks_stay_as_they_were_when_uv_fails(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    put_uv(elsewhere, 'case "$*" in *demo.txt*) exit 1; esac')
    with pytest.raises(SystemExit, match="2"):
        lock.main([])
    assert "requirements/demo.txt; the locks are as they were" in one_line(capfd)
    assert {path.read_text() for path in elsewhere.iterdir()} == {"old==1\n"}


def test_without_uv_it_says_so(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(elsewhere.parent / "bin"))
    with pytest.raises(SystemExit, match="2"):
        lock.main([])
    assert "pip install uv" in one_line(capfd)


# ------------------------------------------------------------------------------------------------- the environment


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with four locks and an environment whose Python notes what it is asked, and fails where it finds a
    file `fail`."""
    (tmp_path / "requirements").mkdir()
    for name in ("build", "check", "demo", "firmware"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name}==1 --hash=sha256:{'0' * 64}\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/asked"\n[ ! -e "{tmp_path}/fail" ]\n')
    python.chmod(0o755)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "REQUIREMENTS", tmp_path / "requirements")
    return tmp_path


def ensure(clone: Path, name: str) -> list[str]:
    """What pip installed to have the lock; it has to be asked for with its hashes."""
    (clone / "asked").write_text("")
    assert environment.ensure_python(name, clone / ".venv") == clone / ".venv" / "bin" / "python"
    installed = []
    for line in (clone / "asked").read_text().splitlines():
        options, _, path = line.rpartition(" --requirement ")
        assert options.startswith("-m pip install ")
        assert options.endswith(" --no-build-isolation --require-hashes")
        installed.append(Path(path).stem)
    return installed


def test_packages_are_installed_once(clone: Path) -> None:
    assert ensure(clone, "demo") == ["demo"]
    assert ensure(clone, "demo") == []
    assert ensure(clone, "firmware") == ["firmware"]
    assert ensure(clone, "demo") == []
    assert ensure(clone, "check") == ["build", "check"]


def test_the_checks_packages_are_the_others_too(clone: Path) -> None:
    assert ensure(clone, "check") == ["build", "check"]
    assert ensure(clone, "demo") == ensure(clone, "firmware") == []


def test_a_lock_that_has_changed_is_installed_again(clone: Path) -> None:
    ensure(clone, "check")
    path = clone / "requirements" / "demo.txt"
    before = path.read_text()
    path.write_text(before.replace("0", "1"))
    assert ensure(clone, "demo") == ["demo"]
    path.write_text(before)
    assert ensure(clone, "demo") == ["demo"], "it is no longer what is there"
    assert ensure(clone, "firmware") == []


def test_another_python_starts_anew(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(clone, "check")
    monkeypatch.setattr(environment.sys, "version", "3.99.0")
    assert ensure(clone, "demo") == ["demo"]
    assert ensure(clone, "check") == ["build", "check"]


def test_what_could_not_be_installed_is_tried_again(clone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ensure(clone, "demo")
    (clone / "fail").touch()
    capfd.readouterr()
    with pytest.raises(SystemExit, match="2"):
        environment.ensure_python("check", clone / ".venv")
    doing, line = capfd.readouterr().err.splitlines()
    assert doing.startswith("Setting up ")
    assert line.startswith("error: the packages could not be installed")
    (clone / "fail").unlink()
    assert ensure(clone, "check") == ["build", "check"]

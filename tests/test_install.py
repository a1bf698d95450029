"""pip install, outside the clone: the command neuron485, and the simulated node out of the sources that it brings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import host
from host.compiler import ROOT


def run(*command: object, cwd: Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**inherited, "PYTHONIOENCODING": "utf-8", **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is made of it. Built of what git has, in a copy of the tree."""
    folder = tmp_path_factory.mktemp("packages")
    tree = folder / "tree"
    for name in run("git", "ls-files", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    build = "from setuptools import build_meta as b; import sys; print(b.build_sdist(sys.argv[1]))"
    sdist = folder / run(sys.executable, "-c", build, folder, cwd=tree).splitlines()[-1]
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    build = build.replace("build_sdist", "build_wheel")
    run(sys.executable, "-c", build, folder, cwd=unpacked)
    return folder


@pytest.fixture(scope="module")
def bin_folder(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of a fresh environment are that has the wheel, and with it what it asks for."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home)
    (wheel,) = packages.glob("*.whl")
    # The lock, so that a release of this minute fails nobody; --no-deps: it must have all that the wheel wants.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", home / "bin" / "python"]
    environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run(
        *pip,
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        ROOT / "requirements" / "demo.txt",
        cwd=home,
        **environment,
    )
    run(*pip, "install", "--quiet", "--no-deps", wheel, cwd=home)
    assert "No broken requirements" in run(*pip, "check", cwd=home)
    return home / "bin"


def test_the_wheel_has_every_module_and_source(packages: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "host").rglob("*")
        if path.suffix in (".py", ".md", ".c", ".h", ".csv", ".txt", ".json", ".html", ".css", ".js", ".svg")
    }
    for folder in ("core", "crypto", "app", "port", "port/native"):
        sources = [path for path in (ROOT / "firmware" / folder).iterdir() if path.suffix in (".c", ".h")]
        wanted |= {f"host/sources/{path.relative_to(ROOT)}" for path in sources}
    assert wanted <= there, f"{wanted - there} is not in the wheel: see packages in pyproject.toml"
    assert not [name for name in there if name.startswith(("tests/", "tools/", "build/"))]


def test_it_says_its_version(bin_folder: Path, tmp_path: Path) -> None:
    said = run(bin_folder / "neuron485", "--version", cwd=tmp_path)
    assert re.fullmatch(rf"neuron485 {re.escape(host.__version__)}, wire version \d+\n", said)


def test_every_command_is_there_and_says_its_name(bin_folder: Path, tmp_path: Path) -> None:
    listed = run(bin_folder / "neuron485", "--help", cwd=tmp_path)
    names = re.findall(r"^  (\w+) {2,}", listed.partition("commands:\n")[2], re.MULTILINE)
    assert names == [
        "record",
        "train",
        "convert",
        "deploy",
        "scan",
        "fleet",
        "predict",
        "settings",
        "monitor",
        "serve",
        "keys",
        "sim",
        "lesson",
    ]
    for name in names:
        assert run(bin_folder / "neuron485", name, "--help", cwd=tmp_path).startswith(
            f"usage: neuron485 {name} "
        )


def test_the_main_job_works_anywhere(bin_folder: Path, tmp_path: Path) -> None:
    command = [bin_folder / "neuron485", "train", "--deploy", "sim"]
    said = run(*command, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert re.search(r"^ +1 +1 +1 +●  lit$", said, re.MULTILINE)
    assert said.count("lit\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"], "something was left in the folder of the user"


def test_a_large_training_builds_its_library_there(bin_folder: Path, tmp_path: Path) -> None:
    command = [bin_folder / "neuron485", "train", "--model", "mlp", "--epochs", "1000"]
    run(*command, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert list((tmp_path / "cache").rglob("learn.so"))


def test_lessons_are_packed_too(bin_folder: Path, tmp_path: Path) -> None:
    assert "seven short walks" in run(bin_folder / "neuron485", "lesson", "--lang", "en", cwd=tmp_path)


@pytest.mark.parametrize("asked", [[], ["--check", "1"], ["--answer"]])
def test_the_lesson_on_data_says_that_it_needs_pandas(
    bin_folder: Path, tmp_path: Path, asked: list[str]
) -> None:
    command = [str(bin_folder / "neuron485"), "lesson", "6", *asked]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(f"{bin_folder}/python -m pip install 'pandas>=3.1'\n")


def test_keys_say_that_they_need_monocypher(bin_folder: Path, tmp_path: Path) -> None:
    command = [str(bin_folder / "neuron485"), "keys", "new", "site.key"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(f"{bin_folder}/python -m pip install 'neuron485[trust]'\n")
    assert list(tmp_path.iterdir()) == []


def test_what_needs_the_repository_says_so(bin_folder: Path, tmp_path: Path) -> None:
    command = [str(bin_folder / "neuron485"), "train", "--deploy", "renode"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "needs the repository" in result.stderr


def refused(bin_folder: Path, cwd: Path, **environment: str) -> str:
    """The one line of a command that cannot do its work."""
    command = [str(bin_folder / "neuron485"), "train", "--model", "and", "--deploy", "sim", "--json"]
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.mark.parametrize("cache", ["/dev/null", "/proc/none"])
def test_a_cache_that_cannot_be_is_one_line(bin_folder: Path, tmp_path: Path, cache: str) -> None:
    assert "set XDG_CACHE_HOME to a folder that can" in refused(bin_folder, tmp_path, XDG_CACHE_HOME=cache)


def test_a_cache_must_be_named_from_the_root(bin_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [bin_folder / "neuron485", "train", "--model", "and", "--deploy", "sim"]
    run(*command, cwd=tmp_path, XDG_CACHE_HOME="relative", HOME=str(home))
    assert list(tmp_path.iterdir()) == [home]
    assert (home / ".cache" / "neuron485").is_dir()


def test_a_program_that_cannot_start_is_one_line(bin_folder: Path, tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    run(bin_folder / "neuron485", "train", "--deploy", "sim", cwd=tmp_path, **environment)
    (program,) = [path for path in (tmp_path / "cache").rglob("neuron485") if path.is_file()]
    program.write_bytes(b"")
    assert f"{program} cannot be started" in refused(bin_folder, tmp_path, **environment)
    program.unlink()
    run(bin_folder / "neuron485", "train", "--deploy", "sim", cwd=tmp_path, **environment)


def test_it_is_at_home_beside_a_project_of_somebody(bin_folder: Path, tmp_path: Path) -> None:
    """pip install --target of a project puts the package beside a pyproject.toml that is not ours."""
    (site,) = (bin_folder.parent / "lib").glob("python*/site-packages")
    shutil.copytree(site / "host", tmp_path / "host")
    (tmp_path / "pyproject.toml").touch()
    cache = tmp_path / "cache"
    run(
        bin_folder / "python",
        "-m",
        "host",
        "train",
        "--deploy",
        "sim",
        cwd=tmp_path,
        XDG_CACHE_HOME=str(cache),
    )
    assert {path.name for path in tmp_path.iterdir()} == {"host", "pyproject.toml", "cache"}


def test_it_says_the_names_that_work_here(bin_folder: Path, tmp_path: Path) -> None:
    for arguments in (["train", "--help"], ["lesson", "--lang", "en"], ["deploy", "--help"]):
        assert "python -m host" not in run(bin_folder / "neuron485", *arguments, cwd=tmp_path)
    result = subprocess.run(
        [bin_folder / "neuron485", "--nope"], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 2
    assert result.stderr == "error: unrecognized arguments: --nope (try neuron485 --help)\n"

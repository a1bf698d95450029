"""tools/renode.py: an archive of Renode's releases, and what can be wrong with it, on the way and here."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from host.boards import renode as board
from tests.e2e.test_streams import one_line, run
from tests.renode import run as scenarios
from tools import environment, renode
from tools.renode import MARK, InstallError, Release, place

TOP = "renode_1.16.1-dotnet_portable"
WHOLE = {f"{TOP}/renode": "first", f"{TOP}/renode-test": "test", f"{TOP}/platforms/cpus/stm32f4.repl": "cpu"}


def archive(files: dict[str, str], *more: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
        for member in more:
            tar.addfile(member)
    return gzip.compress(packed.getvalue())


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def released(folder: Path, content: bytes, name: str = "release.tar.gz") -> Release:
    """What was released, at a file's address."""
    (folder / name).write_bytes(content)
    return Release((folder / name).as_uri(), hashlib.sha256(content).hexdigest())


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's build folder."""
    monkeypatch.setattr(environment, "BUILD", tmp_path / "build")
    return tmp_path / "build"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def nothing_is_there(build: Path) -> bool:
    return names(build) <= {"renode.lock"}


# ------------------------------------------------------------------------------------------------------ as it should


def test_a_release_is_put_in_place_whole(tmp_path: Path, build: Path) -> None:
    wanted = released(tmp_path, archive(WHOLE))
    place(wanted, build / "renode")
    assert names(build) == {"renode", "renode.lock"}
    for name, text in WHOLE.items():
        path = build / "renode" / Path(name).relative_to(TOP)
        assert path.read_text() == text
        assert os.access(path, os.X_OK)
    assert (build / "renode" / MARK).read_text() == wanted.sha256


def test_what_is_installed_is_not_asked_for_again(tmp_path: Path, build: Path) -> None:
    wanted = released(tmp_path, archive(WHOLE))
    place(wanted, build / "renode")
    (tmp_path / "release.tar.gz").unlink()
    place(wanted, build / "renode")


def test_another_release_takes_its_place(tmp_path: Path, build: Path) -> None:
    place(released(tmp_path, archive({**WHOLE, f"{TOP}/old": ""})), build / "renode")
    place(released(tmp_path, archive({**WHOLE, f"{TOP}/renode": "second"})), build / "renode")
    assert (build / "renode" / "renode").read_text() == "second"
    assert not (build / "renode" / "old").exists()
    assert names(build) == {"renode", "renode.lock"}


# ---------------------------------------------------------------------------------------------------- what goes wrong


def test_another_archive_is_not_unpacked(
    tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renode, "_unpack", lambda *paths: pytest.fail("it was unpacked"))
    wanted = Release(released(tmp_path, archive(WHOLE)).address, "0" * 64)
    with pytest.raises(InstallError, match=r"not what was released.* not 0000"):
        place(wanted, build / "renode")
    assert nothing_is_there(build)


def test_what_was_there_stays_when_the_next_is_wrong(tmp_path: Path, build: Path) -> None:
    place(released(tmp_path, archive(WHOLE)), build / "renode")
    with pytest.raises(InstallError):
        place(Release(released(tmp_path, archive({})).address, "0" * 64), build / "renode")
    assert (build / "renode" / "renode").read_text() == "first"


@pytest.mark.parametrize(
    "members",
    [
        (archive({**WHOLE, "../outside": "x"})),
        (archive({**WHOLE, f"{TOP}/../../outside": "x"})),
        (archive(WHOLE, link(f"{TOP}/link", "../../outside"))),
        (archive(WHOLE, link(f"{TOP}/link", "../../outside", tarfile.LNKTYPE))),
        (archive(WHOLE, link(f"{TOP}/link", "/etc/passwd"))),
        (archive(WHOLE, link(f"{TOP}/fifo", "", tarfile.FIFOTYPE))),
    ],
    ids=["up", "up from within", "link up", "hard link up", "link to the root", "fifo"],
)
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "Python before 3.11.4"])
def test_nothing_leads_out_of_the_folder(
    members: bytes, filters: bool, tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with pytest.raises(InstallError, match="could not be unpacked"):
        place(released(tmp_path, members), build / "renode")
    assert nothing_is_there(build)
    assert names(tmp_path) == {"build", "release.tar.gz"}


def test_an_old_python_unpacks_it_too(tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    place(released(tmp_path, archive(WHOLE, link(f"{TOP}/link", "renode"))), build / "renode")
    assert (build / "renode" / "link").read_text() == "first"


@pytest.mark.parametrize("content", [b"<html>", b"", archive(WHOLE)[:-20]], ids=["page", "empty", "half"])
def test_what_is_no_archive_is_an_error(content: bytes, tmp_path: Path, build: Path) -> None:
    with pytest.raises(InstallError, match="could not be unpacked"):
        place(released(tmp_path, content), build / "renode")
    assert nothing_is_there(build)


@pytest.mark.parametrize("missing", [f"{TOP}/renode", f"{TOP}/renode-test"])
def test_another_package_is_an_error(missing: str, tmp_path: Path, build: Path) -> None:
    files = {name: text for name, text in WHOLE.items() if name != missing}
    with pytest.raises(InstallError, match="is no portable package"):
        place(released(tmp_path, archive(files)), build / "renode")
    assert nothing_is_there(build)


@pytest.mark.parametrize("at", ["_download", "_unpack"])
def test_an_interrupt_leaves_nothing_half(
    at: str, tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = released(tmp_path, archive(WHOLE))
    work = getattr(renode, at)

    def interrupted(*arguments: object) -> None:
        work(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(renode, at, interrupted)
    with pytest.raises(KeyboardInterrupt):
        place(wanted, build / "renode")
    assert nothing_is_there(build)
    monkeypatch.setattr(renode, at, work)
    place(wanted, build / "renode")
    assert (build / "renode" / "renode").exists()


def test_what_a_killed_one_left_is_cleared_away(tmp_path: Path, build: Path) -> None:
    (build / "renode.part-killed" / "unpacked").mkdir(parents=True)
    place(released(tmp_path, archive(WHOLE)), build / "renode")
    assert names(build) == {"renode", "renode.lock"}


# ------------------------------------------------------------------------------------------------------- the network


@pytest.fixture
def broken_off() -> Iterator[Release]:
    """A server that sends less than it has promised, and does so once for each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(b"x" * 999)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Release(f"http://127.0.0.1:{server.server_port}/release.tar.gz", "0" * 64)
        server.shutdown()
        thread.join()


@pytest.fixture
def unreachable() -> Iterator[Release]:
    """A port where nobody listens, nor will while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Release(f"http://127.0.0.1:{taken.getsockname()[1]}/release.tar.gz", "0" * 64)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_download_that_breaks_off_is_said(broken_off: Release, build: Path) -> None:
    with pytest.raises(InstallError, match="broke off after 999 of 1000 bytes"):
        place(broken_off, build / "renode")
    assert nothing_is_there(build)


def test_no_network_is_said(unreachable: Release, build: Path) -> None:
    with pytest.raises(InstallError, match="could not be downloaded"):
        place(unreachable, build / "renode")
    assert nothing_is_there(build)


def test_whether_it_can_be_reached(tmp_path: Path, broken_off: Release, unreachable: Release) -> None:
    assert renode.reachable(broken_off)
    assert renode.reachable(released(tmp_path, b""))
    assert not renode.reachable(unreachable)
    assert not renode.reachable(Release((tmp_path / "none").as_uri(), ""))


def test_whoever_does_not_answer_cannot_be_reached(
    unreachable: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = threading.Event()

    def hang(*arguments: object, **options: object) -> None:
        tested.wait()
        raise OSError

    monkeypatch.setattr(renode, "PROBE_PATIENCE", 0.01)
    monkeypatch.setattr(renode.urllib.request, "urlopen", hang)
    assert not renode.reachable(unreachable)
    tested.set()


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def clone(build: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is installed, in the clone or elsewhere; the locks that were asked for."""
    asked: list[str] = []
    for module in (renode, board):
        monkeypatch.setattr(module, "INSTALLED", build / "renode")
        monkeypatch.setattr(module, "PYTHON", build / "renode-python")
    monkeypatch.setattr(renode, "ensure_python", lambda lock, venv: asked.append(f"{lock} in {venv.name}"))
    monkeypatch.delenv("RENODE_DIR", raising=False)
    monkeypatch.setenv("PATH", str(build.parent / "bin"))
    return asked


def here_is(wanted: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renode, "MACHINES", {(renode.platform.system(), renode.platform.machine()): wanted})


def says(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that fails."""
    capfd.readouterr()
    with pytest.raises(SystemExit, match="2"):
        renode.main(arguments)
    (line,) = capfd.readouterr().err.splitlines()
    return line


def test_install_and_where(
    clone: list[str],
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here_is(released(tmp_path, archive(WHOLE)), monkeypatch)
    assert says(capfd, "where").startswith("error: Renode is not installed: python3 -m tools.renode install")
    assert renode.main(["install"]) == 0
    assert clone == ["renode in renode-python"]
    assert renode.main(["where"]) == 0
    assert capfd.readouterr().out.splitlines()[1:] == [str(build / "renode" / "renode")] * 2
    assert board.find("renode-test") == str(build / "renode" / "renode-test")


def test_a_failure_is_one_line(
    clone: list[str],
    unreachable: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here_is(unreachable, monkeypatch)
    assert says(capfd, "install").startswith(f"error: {unreachable.address} could not be downloaded")
    here_is(Release(released(tmp_path, archive(WHOLE)).address, "0" * 64), monkeypatch)
    assert "is not what was released" in says(capfd, "install")
    monkeypatch.setattr(renode, "MACHINES", {})
    assert "by hand, from https://github.com/renode/renode/releases/tag/v1.16.1" in says(capfd, "install")
    assert clone == []


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("renode", "renode-test"):
        (folder / name).touch(0o755)
    return folder


def test_whose_renode_is_used(
    clone: list[str], build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of RENODE_DIR, else the one installed here, else that on PATH."""
    on_path = put(tmp_path / "bin")
    assert board.find() == str(on_path / "renode")
    installed = put(build / "renode")
    assert board.find() == str(installed / "renode")
    monkeypatch.setenv("RENODE_DIR", str(put(tmp_path / "mine")))
    assert board.find() == str(tmp_path / "mine" / "renode")
    renode.install()
    assert clone == ["renode in renode-python"], "and no other is got"


def test_the_checks_get_what_can_be_had(
    clone: list[str],
    build: Path,
    tmp_path: Path,
    unreachable: Release,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here_is(unreachable, monkeypatch)
    renode.install_if_reachable()
    assert (board.find(), clone, capfd.readouterr()) == (None, [], ("", ""))
    here_is(Release(released(tmp_path, archive(WHOLE)).address, "0" * 64), monkeypatch)
    renode.install_if_reachable()
    assert (board.find(), clone) == (None, [])
    assert "Renode is left out: file://" in capfd.readouterr().out
    here_is(released(tmp_path, archive(WHOLE)), monkeypatch)
    renode.install_if_reachable()
    assert (board.find(), clone) == (str(build / "renode" / "renode"), ["renode in renode-python"])
    here_is(unreachable, monkeypatch)
    renode.install_if_reachable()
    assert clone == ["renode in renode-python"] * 2


def test_the_checks_leave_a_folder_of_the_users_alone(
    clone: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here_is(released(tmp_path, archive(WHOLE)), monkeypatch)
    monkeypatch.setenv("RENODE_DIR", str(tmp_path / "none"))
    renode.install_if_reachable()
    assert (board.find(), clone) == (None, [])


def test_how_it_is_started(clone: list[str], build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ICU, unless the user has it so; by the Python that has what renode-test needs."""
    monkeypatch.delenv("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", raising=False)
    assert board.environment()["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] == "1"
    assert board.environment()["PATH"].split(os.pathsep)[0] == str(build / "renode-python" / "bin")
    monkeypatch.setenv("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "0")
    assert board.environment()["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] == "0"


# -------------------------------------------------------------------------------------- the scenarios, by hand


DEMO_ONLY = """
import sys
class NotThere:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"pytest", "hypothesis", "robot", "unicorn", "elftools", "platformio"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotThere)
"""
"""A sitecustomize: an environment that only the demo has set up."""


def test_the_scenarios_need_no_test_packages_to_say_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEMO_ONLY)
    (tmp_path / "none").mkdir()
    environment = {"PYTHONPATH": str(tmp_path), "RENODE_DIR": str(tmp_path / "none")}
    assert "Renode is not in RENODE_DIR" in one_line(run("tests.renode.run", **environment))
    (tmp_path / "none" / "renode").touch(0o755)
    assert "renode-test is not beside renode" in one_line(run("tests.renode.run", **environment))


@pytest.mark.parametrize("there", [True, False])
def test_they_need_robot_framework(there: bool, clone: list[str], build: Path, tmp_path: Path) -> None:
    put(tmp_path / "bin")
    python = build / "renode-python" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexit {int(not there)}\n")
    python.chmod(0o755)
    why = None if there else "renode-test's Python has no Robot Framework: python3 -m tools.renode install"
    assert scenarios.missing() == why

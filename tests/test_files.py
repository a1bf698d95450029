"""host/files.py: what may be written, before and while it is."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host import train
from host.errors import NeuronError
from host.files import replace_file, replacing, require_writable

WRITERS: list[Callable[[Path], None]] = [require_writable, lambda path: replace_file(path, b"new")]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names no files so")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the address of a socket is short
        server.bind(path.name)


def listed(folder: Path) -> list[tuple[str, int]]:
    return sorted((entry.name, entry.stat(follow_symlinks=False).st_ino) for entry in os.scandir(folder))


@posix
@pytest.mark.parametrize("write", WRITERS, ids=["before", "then"])
@pytest.mark.parametrize("make", [a_folder, a_device, a_pipe, a_socket])
def test_what_is_no_file_is_never_replaced(
    make: Callable[[Path], None],
    write: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "it")
    (tmp_path / "link").symlink_to("it")
    before = listed(tmp_path)
    what = make.__name__.replace("_", " ")
    for name in ("it", "link"):
        with pytest.raises(NeuronError, match=f"cannot write .*{name}: it is {what}"):
            write(tmp_path / name)
    assert listed(tmp_path) == before


@pytest.mark.parametrize("write", WRITERS, ids=["before", "then"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none/file", "there is no folder"),
        ("file/file", "Not a directory"),
        ("", "names no file"),
        ("new/", "names no file"),
        ("a\0b", "null"),
        ("n" * 300, "File name too long"),
        ("loop", "symbolic links"),
    ],
)
@posix
def test_a_name_that_no_file_can_have_is_one_line(
    name: str, why: str, write: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    before = listed(tmp_path)
    with pytest.raises(NeuronError, match=why) as error:
        write(name)
    assert str(error.value).count("\n") == 0
    assert listed(tmp_path) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("write", WRITERS, ids=["before", "then"])
def test_a_file_that_is_write_protected_stays(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(NeuronError, match="it is write-protected"):
        write(file)
    assert file.read_text() == "mine"


def test_the_check_leaves_all_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("mine")
    before = listed(tmp_path)
    require_writable(tmp_path / "old")
    require_writable(tmp_path / "new")
    assert listed(tmp_path) == before


def test_a_folder_that_may_not_be_written_to_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NeuronError, match="Permission denied"):
        require_writable(tmp_path / "new")


@posix
def test_links_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    old, new = tmp_path / "files" / "old", tmp_path / "files" / "new"
    old.write_text("old")
    old.chmod(0o640)
    for link, file in (("one", old), ("two", new)):
        (tmp_path / link).symlink_to(file)
        require_writable(tmp_path / link)
        replace_file(tmp_path / link, b"new")
        assert (tmp_path / link).is_symlink()
        assert not file.is_symlink()
        assert file.read_bytes() == b"new"
    assert old.stat().st_mode & 0o777 == 0o640
    plain = tmp_path / "plain"
    plain.touch()
    assert new.stat().st_mode == plain.stat().st_mode
    assert sorted(os.listdir(tmp_path / "files")) == ["new", "old"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, NeuronError, OSError])
def test_a_file_written_piece_by_piece_is_there_when_all_of_it_is(
    end: type[BaseException], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")

    def part_of_it() -> None:
        with replacing(file) as write:
            write(b"new")
            raise end

    with pytest.raises(end):
        part_of_it()
    assert file.read_text() == "mine"
    with replacing(file) as write:
        write(b"ne")
        assert file.read_text() == "mine"
        write(b"w")
    assert file.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk here")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.files._part_of", lambda target: tmp_path / "part")
    opening = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: opening(Path("/dev/full"), "wb"))
    with pytest.raises(NeuronError, match=r"cannot write .*file: No space left on device"):
        replace_file(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------- the command


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert train.main([*argv, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@posix
@pytest.mark.parametrize("option", ["--save", "--plot"])
@pytest.mark.parametrize("way", ["itself", "another way", "a link", "a hard link"])
def test_the_data_are_never_replaced(
    option: str, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.svg"
    data.write_text("x,y\n1,2\n")
    name = {"itself": "data.svg", "another way": f"../{tmp_path.name}/data.svg"}.get(way, "link.svg")
    if way == "a link":
        (tmp_path / name).symlink_to(data)
    if way == "a hard link":
        (tmp_path / name).hardlink_to(data)
    said = fails(capsys, "--model", "wx", "--data", str(data), option, str(tmp_path / name))
    assert "it is the file of --data; choose another name" in said
    assert data.read_text() == "x,y\n1,2\n"


def test_picture_and_image_are_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / "both.svg")
    said = fails(capsys, "--model", "wx", "--save", name, "--plot", f"{tmp_path}/./both.svg")
    assert "it is the file of --save; choose another name" in said
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", ["--save", "--plot"])
def test_it_is_known_before_the_work_begins(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "plan_of", None)
    (tmp_path / "it.png").mkdir()
    assert "it is a folder" in fails(capsys, "--model", "wx", option, str(tmp_path / "it.png"))

"""The token of a gateway: another at every start, or a file's."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.serving import TOKEN, TOKEN_MIN, parse, token_of
from host.errors import NeuronError


def file_of(tmp_path: Path, text: bytes, mode: int = 0o600) -> str:
    path = tmp_path / "token"
    path.write_bytes(text)
    path.chmod(mode)
    return str(path)


def test_a_new_token_is_another_each_time_and_one_that_a_file_may_have() -> None:
    tokens = {token_of(None) for _ in range(100)}
    assert len(tokens) == 100
    assert all(TOKEN.fullmatch(token) for token in tokens)


def test_a_files_token_is_its_first_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert token_of(file_of(tmp_path, b"0123456789-abcdef\r\nmore\n")) == "0123456789-abcdef"
    assert capsys.readouterr().err == ""


@pytest.mark.skipif("os.name == 'nt'")
def test_a_token_that_others_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, b"x" * TOKEN_MIN, 0o644)
    assert token_of(path) == "x" * TOKEN_MIN
    assert (
        capsys.readouterr().err
        == f"warning: {path}, a token, can be read or changed by others: chmod 600 {path}\n"
    )


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"x" * (TOKEN_MIN - 1), b"with a space in it", b"100%-of-a-token", b"\xff"]
)
def test_what_is_no_token_is_not_shown(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(NeuronError) as refused:
        token_of(file_of(tmp_path, text))
    assert "first line" in str(refused.value)
    assert not text.strip() or text.decode("latin-1") not in str(refused.value)


def test_the_option_names_a_file(tmp_path: Path) -> None:
    assert parse(["sim"]).token_file is None
    assert parse(["sim", "--token-file", "t"]).token_file == "t"
    with pytest.raises(NeuronError, match="cannot be read"):
        token_of(str(tmp_path / "none"))

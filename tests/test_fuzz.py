"""Fuzzing, bounded: at least a million executions, always the same ones, from the committed corpus.

To search further: the program that test_a_million_executions builds, build/tests/*/fuzz_frame, takes libFuzzer's
options; a finding is replayed by naming its file.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from host.compiler import ROOT, c_sources
from host.errors import NeuronError
from tests.fuzz import make_corpus
from tests.patience import PATIENCE
from tests.programs import APP, COMPILERS, CORE, SANITIZE, program

CORPUS = Path(make_corpus.FOLDER) / "corpus"
LIBFUZZER = [*SANITIZE, "-fsanitize=fuzzer", "-fno-sanitize-coverage=trace-cmp"]
"""Comparisons are not followed: two thirds of the time went there, mostly for counters of loops, while magic numbers,
lengths and CRCs are put right by the targets themselves. In the same time many more inputs reach more of the code."""
SOURCES = {"image": [], "frame": ["tests/port/memory.c"]}
NODE = [str(path.relative_to(ROOT)) for path in c_sources(APP) if path.name != "main.c"]
RUNS = {"image": 700_000, "frame": 600_000}
MAX_BYTES = {"image": 600, "frame": 400}


def target(name: str, *, cc: str, fuzzer: bool) -> Path:
    """A fuzz target: with libFuzzer, or with the driver that only replays files."""
    sources = [f"tests/fuzz/fuzz_{name}.c", *SOURCES[name]]
    if name == "frame":
        sources += NODE
    if not fuzzer:
        sources.append("tests/fuzz/replay.c")
    kind = "fuzz" if fuzzer else "replay"
    flags = LIBFUZZER if fuzzer else SANITIZE
    return program(f"{kind}_{name}", sources, folders=(CORE,), flags=flags, crypto=name == "frame", cc=cc)


@cache
def has_libfuzzer() -> bool:
    if "clang" not in COMPILERS:
        return False
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.c"
        probe.write_text(
            "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n > 99; }\n"
        )
        command = ["clang", "-fsanitize=fuzzer", str(probe), "-o", str(Path(folder) / "probe")]
        return subprocess.run(command, capture_output=True).returncode == 0


def seeds(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


def test_the_corpus_is_fresh_and_small() -> None:
    made = make_corpus.files()
    assert {path for path in CORPUS.rglob("*") if path.is_file()} | {make_corpus.FOLDER / "sample.h"} == set(
        made
    )
    assert all(path.read_bytes() == data for path, data in made.items())
    assert all(len(seeds(name)) >= 20 for name in SOURCES)
    assert sum(path.stat().st_size for path in made) < 50_000


@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("name", SOURCES)
def test_replay_the_corpus(name: str, cc: str) -> None:
    files = seeds(name)
    done = subprocess.run([target(name, cc=cc, fuzzer=False), *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(files)} inputs\n"


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    """A run of fixed length from a fixed seed; what it finds wrong goes into `folder`."""
    return subprocess.Popen(
        [
            str(target(name, cc="clang", fuzzer=True)),
            f"-runs={RUNS[name]}",
            "-seed=485",
            f"-max_len={MAX_BYTES[name]}",
            "-len_control=0",
            "-rss_limit_mb=1500",
            f"-timeout={PATIENCE:.0f}",
            f"-artifact_prefix={folder}/{name}-",
            f"-seed_inputs={','.join(map(str, seeds(name)))}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_million_executions(tmp_path: Path) -> None:
    if not has_libfuzzer():
        pytest.skip("no clang with libFuzzer: install it (Debian: apt-get install clang libclang-rt-14-dev)")
    try:
        running = {name: start(name, tmp_path) for name in SOURCES}
    except NeuronError as error:
        pytest.fail(str(error))
    executions = 0
    for name, process in running.items():
        _, text = process.communicate()
        assert process.returncode == 0, f"fuzz_{name}:\n{text[-4000:]}\n{sorted(tmp_path.iterdir())}"
        found = re.search(r"Done (\d+) runs", text)
        assert found, text[-1000:]
        executions += int(found[1])
    assert executions >= 1_000_000

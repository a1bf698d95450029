"""host.record as people start it: what it prints, what it keeps when it is ended, the terminal that it gives back."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from host import record
from host.boards.opening import open_node
from host.boards.signals import recorded
from host.boards.simulated import simulate
from host.compiler import ROOT
from host.core.wire import EventKind
from host.data.recording import Recording, beside, read_recording
from host.errors import EXIT_FAILURE, EXIT_INTERRUPTED
from host.node.samples import start_sampling
from tests.e2e.stand_in import Answer, exception, silence, stand_in
from tests.patience import ANSWER, PATIENCE
from tests.ring_node import RingNode, value

PATIENT = ("--timeout", str(ANSWER))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


def found(path: Path) -> Recording:
    """The file, each of whose values must be the node's."""
    found = read_recording(path)
    rows = zip(found.samples.tolist(), found.raw.tolist(), strict=True)
    assert all(raw == [value(number, name) for name in found.channels] for number, raw in rows)
    return found


def test_seconds_are_counted_in_samples(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stand_in(RingNode(pace=150)) as port:
        command = [port, str(path), "--channels", "d0,a1", "--rate", "500", "--seconds", "3", *PATIENT]
        assert record.main(command) == 0
        assert capsys.readouterr().out == f"Recorded 1500 samples of a1,d0 at 500 a second into {path}\n"
        again = [port, str(path), "--seconds", "1", "--json", *PATIENT]
        assert record.main(again) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "file": str(path),
        "channels": ["a1", "d0"],
        "rate": 500,
        "samples": 500,
        "gaps": 0,
        "lost": 0,
        "labels": {},
        "events": 0,
        "events_lost": 0,
        "total": 2000,
    }
    assert [run.stop - run.start for run in found(path).runs()] == [1500, 500]


def test_every_gap_is_a_line_and_is_counted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = RingNode(pace=100)
    node.lose([*range(200, 250), 700])
    with stand_in(node) as port:
        command = [port, str(path), "--channels", "a0", "--rate", "1000", "--seconds", "1", "--label", "on"]
        assert record.main([*command, "--scale", "a0=0.0805,-20,mA", "--json", *PATIENT]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "warning: 50 samples lost from number 200 on (0.05 s)",
        "warning: 1 sample lost from number 700 on (0.001 s)",
    ]
    said = json.loads(out)
    assert (said["samples"], said["gaps"], said["lost"], said["rate"]) == (949, 2, 51, 1000)
    assert said["labels"] == {"on": 949}
    assert found(path).scale == {"a0": (0.0805, -20.0, "mA")}


def test_only_around_events(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = RingNode()

    def before(pdu: bytes) -> None:
        node.advance(500)
        if node.number == 6000:
            node.happen(EventKind.DECISION, 1)

    node.before = before
    with stand_in(node) as port:
        command = [port, str(path), "--channels", "a0", "--rate", "10000", "--seconds", "1"]
        assert record.main([*command, "--before", "100", "--after", "20", "--json", *PATIENT]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 120
    assert found(path).samples.tolist() == list(range(5900, 6020))
    (event,) = json.loads(beside(path).read_text())["events"]
    assert (event["kind"], event["sample"]) == ("DECISION", 6000)


def test_the_simulated_node_is_recorded_as_its_signal_is(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The firmware itself, in real time; what it loses by that is said and counted, and all else is its signal."""
    numbers = np.arange(512)
    raw = np.stack([numbers * 8, numbers, numbers >> 6 & 1], axis=1)
    channels = ("a0", "a3", "d1")
    with simulate(signal=recorded(1000, channels, numbers, raw, "a signal")) as sim:
        with open_node(sim.port, timeout=ANSWER) as node:
            start_sampling(node, channels, 1000)  # which goes on between the two
        command = [sim.port, str(path), "--label-channel", "d1=off,on", "--json", *PATIENT]
        assert record.main([*command, "--channels", "a0,a3", "--rate", "1000", "--seconds", "1.5"]) == 0
        assert record.main([*command, "--seconds", "0.5"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["samples"] + one["lost"] for one in said] == [1500, 500]
    got = read_recording(path)
    assert (got.raw == raw[got.samples % 512, :2]).all()
    assert len(got.samples) == said[-1]["total"]
    assert got.labels == tuple(("off", "on")[level] for level in raw[got.samples % 512, 2])


def test_a_signal_that_has_ended_is_not_waited_for(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = np.arange(1000)
    with simulate(signal=recorded(1000, ("a0",), numbers, numbers[:, None], "a signal"), once=True) as sim:
        command = [sim.port, str(path), "--channels", "a0", "--rate", "1000", *PATIENT]
        assert record.main(command) == EXIT_FAILURE
    got = read_recording(path)
    assert (got.raw[:, 0] == got.samples).all()
    lost = sum(count for _, count in json.loads(beside(path).read_text())["gaps"])
    assert got.samples[0] + len(got.samples) + lost == 1000
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: the node takes no more samples, though it says that it does")
    assert line.endswith(f"; {len(got.samples)} samples, kept in {path} so far")


def test_where_nothing_happened_nothing_is_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = RingNode()
    node.before = lambda pdu: node.advance(500)
    with stand_in(node) as port:
        command = [port, str(path), "--channels", "a0", "--rate", "10000", "--seconds", "0.1", "--after", "9"]
        assert record.main([*command, *PATIENT]) == 0
    assert capsys.readouterr() == ("", "warning: nothing was recorded; no event came\n")
    assert os.listdir(path.parent) == []


REFUSED: dict[str, tuple[Answer, str]] = {
    "no node": (silence, "no answer from address 1"),
    "an older node": (exception(2, after_handshake=True), "the node's firmware does not sample channels"),
    "a node without channels": (RingNode(board=0), "the node's board has no channels to sample"),
    "a board without it": (RingNode(board=2), "the node's board has no a0: its channels are a1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_node_that_cannot_leaves_no_file(path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer, said = REFUSED[what]
    with stand_in(answer) as port:
        command = [port, str(path), "--channels", "a0", "--rate", "1000"]
        assert (
            record.main([*command, "--timeout", "0.05" if answer is silence else str(ANSWER)]) == EXIT_FAILURE
        )
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: {said}")
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--seconds", "1e308"], "is more than 1000000000 s"),
        (["--scale", "a0=0,1,V"], "a factor of 0 leaves nothing"),
        (["--scale", "a0=1e300,1,V"], "a factor of 1e-30..1e+30, an offset of up to that"),
        (["--scale", "a0=1,-1e300,V"], "a factor of 1e-30..1e+30, an offset of up to that"),
        (["--scale", "d0=1,0,V"], "d0 is digital: it has no scale"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(
    path: Path, option: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["/dev/there-is-no-such-port", str(path), "--channels", "a0", "--rate", "10", *option]
    assert record.main(command) == EXIT_FAILURE
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize("command", ["--channels a0 --rate 10 --keys n=normal", ""])
def test_what_cannot_be_done_is_said_before_a_node_is_asked(path: Path, command: str) -> None:
    asked = [sys.executable, "-m", "host.record", "/dev/there-is-no-such-port", str(path), *command.split()]
    made = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
    assert made.returncode == EXIT_FAILURE
    (line,) = made.stderr.splitlines()
    assert ("keys are read from a terminal" if command else "say what to record with --channels") in line


# ------------------------------------------------------------------------------------------------- while it runs


SOONER = """
import runpy, sys
sys.argv[0] = "-m"
from host.data import recorder
recorder.CHECK_SECONDS = 0.1
runpy.run_module("host.record", run_name="__main__", alter_sys=True)
"""
"""python -m host.record, but what is held comes into the file sooner."""


class Running:
    """The command at a terminal of its own. said: what it has printed on stderr."""

    def __init__(self, how: Sequence[str], *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self.terminal, self._theirs = ours, theirs
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [sys.executable, *how, *PATIENT, *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        self.said = ""

    def wait(self, text: str) -> None:
        """Until it has said so."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            if select.select([self.process.stderr], [], [], 1)[0]:
                data = os.read(self.process.stderr.fileno(), 4096)
                assert data, self.said
                self.said += data.decode()

    def press(self, key: str) -> None:
        os.write(self.terminal, key.encode())

    def end(self) -> int:
        """Its exit status; the terminal is as it was."""
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out, self.said = out.decode(), self.said + err.decode()
        assert termios.tcgetattr(self._theirs) == self.before
        return self.process.returncode


@contextmanager
def running(*arguments: str, how: Sequence[str] = ("-c", SOONER)) -> Iterator[Running]:
    it = Running(how, *arguments)
    try:
        yield it
    finally:
        it.process.kill()
        it.process.communicate()
        os.close(it.terminal)
        os.close(it._theirs)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def newest(path: Path) -> str | None:
    """The label of the newest scan that is in the file."""
    *lines, _ = path.read_text().split("\n") if path.exists() else [""]
    return lines[-1].rpartition(",")[2] if lines else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_keys_label_what_comes_and_the_terminal_is_given_back(path: Path, number: signal.Signals) -> None:
    with stand_in(RingNode(pace=20)) as port:
        arguments = (
            port,
            str(path),
            "--channels",
            "a0",
            "--rate",
            "1000",
            "--keys",
            "n=normal,w=worn",
            "--json",
        )
        with running(*arguments) as it:
            it.wait("note: keys: n normal, w worn, space for none; Ctrl-C ends it\n")
            for key, word in (("n", "normal"), ("x", None), ("w", "worn"), (" ", ""), ("w", "worn")):
                it.press(key)
                if word is not None:
                    it.wait(f"note: {word or 'no label'} from sample ")
                    it.wait(" on\n")
                    it.said = ""
                    until(lambda word=word: newest(path) == word)  # type: ignore[misc]
            it.process.send_signal(number)
            assert it.end() == 0
    said = json.loads(it.out)
    assert it.said == ""
    rows = found(path)
    assert len(rows.samples) == said["samples"]
    words = [word for i, word in enumerate(rows.labels or ()) if not i or word != (rows.labels or ())[i - 1]]
    assert words == ["", "normal", "worn", "", "worn"]
    assert set(said["labels"]) == {"", "normal", "worn"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_keeps_what_was_got(path: Path, number: signal.Signals) -> None:
    with (
        stand_in(RingNode(pace=20)) as port,
        running(port, str(path), "--channels", "a0", "--rate", "1000", "--json") as it,
    ):
        until(path.exists)
        it.process.send_signal(number)
        assert it.end() == 0
    said = json.loads(it.out)
    assert it.said == ""
    assert len(found(path).samples) == said["samples"] == json.loads(beside(path).read_text())["samples"]


def test_a_node_that_falls_silent_gives_the_terminal_back(path: Path) -> None:
    node = RingNode(pace=20)
    deaf = False

    def answer(pdu: bytes) -> bytes | None:
        return None if deaf else node(pdu)

    with stand_in(answer) as port:
        arguments = ("--channels", "a0", "--rate", "1000", "--keys", "n=normal")
        with running(port, str(path), *arguments, "--timeout", "0.1") as it:
            until(path.exists)
            deaf = True
            assert it.end() == EXIT_FAILURE
    rows = len(found(path).samples)
    *_, line = it.said.splitlines()
    assert line.startswith("error: no answer from address 1 on ")
    assert line.endswith(f"; {rows} samples, kept in {path} so far")


def test_ctrl_c_is_the_end_where_no_other_is_asked_for(path: Path) -> None:
    """And cuts short what was to take so many seconds; the node no longer samples then."""
    node = RingNode(pace=20)
    with stand_in(node) as port:
        for more, status in (((), 0), (("--seconds", "1000"), EXIT_INTERRUPTED)):
            size = path.stat().st_size if path.exists() else 0
            with running(
                port, str(path), "--channels", "a0", "--rate", "1000", *more, how=("-m", "host.record")
            ) as it:
                until(lambda size=size: path.exists() and path.stat().st_size > size)  # type: ignore[misc]
                assert node.channels == 1
                it.process.send_signal(signal.SIGINT)
                assert it.end() == status
            assert it.said == ("stopped: before its 1000 s were over\n" if more else "")
            (line,) = it.out.splitlines()
            assert line.startswith("Recorded ")
            assert node.channels == 0
    assert f", {len(found(path).samples)} in all" in it.out

"""What was counted and measured, beside what others take: as JSON, and as tables for a terminal or a page."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench import data, gateway, pc, peers
from tools.bench.board import Counts
from tools.bench.data import Data
from tools.bench.fleet import BAUD, LOST, NODES, Measured, Rollout
from tools.bench.gateway import Gateways
from tools.bench.networks import DEPLOY_BYTES, NARROW
from tools.bench.pc import Pc
from tools.bench.wire import Wire


@dataclass(frozen=True)
class Table:
    """A table with a title, and what is to be known of it. The first column is text, the others are figures."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """Of a report: when or how it came about, its tables, and the figures of --json. lacks: what kept it from being
    whole, with what to do."""

    title: str
    tables: Sequence[Table]
    figures: dict[str, Any]
    lacks: Sequence[str] = ()


def text(part: Part) -> str:
    """For a terminal."""
    return "\n".join([part.title, "", *map(_text_table, part.tables)])


def _text_table(table: Table) -> str:
    lines = [table.head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["   ".join(_align(line, widths)).rstrip() for line in lines]
    return "\n".join([table.title, *(f"   {line}" for line in [*shown, *table.notes])]) + "\n"


def _align(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]


def markdown(part: Part) -> str:
    """For docs/benchmarks.md."""
    return "\n".join(["", part.title, "", *map(_markdown_table, part.tables)])


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    lines = [f"| {' | '.join(line)} |" for line in (table.head, rule, *table.rows)]
    return "\n".join([f"### {table.title}", "", *lines, *(f"\n{note}" for note in table.notes)]) + "\n"


# ------------------------------------------------------------------------------------------------------- the board


def board_part(counts: Counts) -> Part:
    """infer, features, request, train: instructions; cycles: of infer, estimated, with the image in flash."""
    title = (
        f"Counted instruction by instruction on the board's own ELF ({counts.compiler}, -O2), in virtual time: "
        "the same on every computer. An instruction is not a cycle: loads, branches and the flash's wait states come "
        "on top."
    )
    figures = {
        "infer": counts.small | counts.infer,
        "cycles": {name: in_flash for name, (_, in_flash) in counts.cycles.items()},
        "features": counts.features,
        "request": counts.request,
        "train": {name: step.instructions for name, step in counts.train.items()},
    }
    return Part(title, list(_board_tables(counts)), figures)


def _board_tables(counts: Counts) -> Iterator[Table]:
    yield Table(
        "Inference, instructions",
        ["network", "neuron485", "CMSIS-NN s8 *", "CMSIS-NN s16 *", "cycles", "cycles, image in RAM"],
        [
            [
                name,
                _n(own),
                *map(_n, peers.CMSIS_NN.get(name, _ten(name))),
                *map(_n, reversed(counts.cycles.get(name, (None, None)))),
            ]
            for name, own in (counts.small | counts.infer).items()
        ],
        [
            "narrow: each layer's sums fit 32 bits; wide: no layer's do. All but that one as the quantiser "
            "makes them of He's weights, seed 1.",
            f"{peers.CYCLES}. A node runs its image in flash: a copy in RAM would take 8 KiB, and a watch of its own "
            "against rot.",
            f"*: {peers.HOW}.",
        ],
    )
    code = sum(counts.functions.values())
    yield Table(
        f"{NARROW} beside other runtimes",
        ["runtime", "instructions", "cycles", "code + weights", "max error"],
        [
            [
                "neuron485",
                _n(counts.infer[NARROW]),
                _n(counts.cycles[NARROW][0]),
                _n(code + counts.weights),
                f"{counts.error:.4f}",
            ],
            *(
                [f"{name} *{'*' * r.first}", _n(r.instructions), _n(r.cycles), _n(r.size), r.error]
                for name, r in peers.RUNTIMES.items()
            ),
        ],
        [
            f"{peers.CYCLES}; here without the flash's wait states.",
            f"*: {peers.HOW}.",
            "**: the first of our counts: instructions that were skipped in an IT block are not in it.",
        ],
    )
    yield Table(
        "Features of a window of 256 samples, instructions",
        ["features", "instructions"],
        [[name, _n(value)] for name, value in counts.features.items()],
        ["Of a ring of eight channels that wraps within the window."],
    )
    yield Table(
        "A request and its answer, instructions from last byte to first",
        ["request", "instructions"],
        [
            *(
                [f"function 23, ten inputs and ten outputs as {name}", _n(value)]
                for name, value in counts.request.items()
            ),
            ["function 16, 123 registers", _n(counts.frame)],
            ["function 23, 120 words of samples", _n(counts.ring)],
            ["CRC-32 of 8 KiB", _n(counts.crc)],
        ],
        [f"The answer to 123 registers begins {counts.late_us:.1f} us after the 3.5 characters of silence."],
    )
    names = {"sgd": "neuron485 float32, SGD", "adam": "neuron485 float32, Adam"}
    yield Table(
        "A step of training, 10-7-10, batch 1",
        ["", "instructions", "where it ends an epoch", "bytes of RAM beside the data"],
        [
            *(
                [names[name], _n(step.instructions), _n(step.ends_epoch), _n(step.ram)]
                for name, step in counts.train.items()
            ),
            *([f"{name} *", _n(value), "", ""] for name, value in peers.TRAINING.items()),
        ],
        [f"*: {peers.HOW}."],
    )
    yield Table(
        "The inference runtime alone",
        ["", "bytes"],
        [
            *([name, _n(size)] for name, size in counts.functions.items()),
            ["code, all", _n(code)],
            ["table of tanh", _n(counts.tables)],
            ["static RAM", _n(counts.variables)],
            ["stack", _n(counts.stack)],
        ],
    )
    yield Table(
        f"A deploy of {DEPLOY_BYTES:,} bytes by a master that loses no time",
        ["baud", "raw", "verified after", "share of the wire", "in flash after", "share of the wire"],
        [
            [
                _n(baud),
                f"{d.raw_us / 1000:.1f} ms",
                f"{d.verified_us / 1000:.1f} ms",
                f"{d.raw_us / d.verified_us:.1%}",
                f"{d.committed_us / 1000:.1f} ms",
                f"{d.raw_us / d.committed_us:.1%}",
            ]
            for baud, d in counts.deploys.items()
        ],
        ["8E1, silences of 3.5 characters."],
    )


def _ten(name: str) -> tuple[int | None, int | None]:
    """CMSIS-NN's counts for 10-7-10; narrow and wide are ours alone."""
    if not name.startswith("10-7-10"):
        return None, None
    return tuple(peers.RUNTIMES[f"CMSIS-NN {kind}"].instructions for kind in ("s8", "s16"))  # type: ignore[return-value]


def _n(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


# -------------------------------------------------------------------------------------------- wire and computer


def _measured() -> str:
    """When and on what kind of computer, and how busy it was: these figures depend on it."""
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"Measured on {datetime.date.today()}, on {os.cpu_count()} cores of {_processor()}{load}, "
        f"Python {platform.python_version()}."
    )


def _processor() -> str:
    """What kind of processor this is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.machine()


def wire_part(wire: Wire) -> Part:
    """wire: share of the raw wire's speed by baud rate."""
    figures = {"wire": {str(baud): share for baud, share in wire.share.items()}}
    return Part(_measured(), list(_wire_tables(wire)), figures)


def _wire_tables(wire: Wire) -> Iterator[Table]:
    yield Table(
        f"A deploy of {DEPLOY_BYTES:,} bytes by our own host",
        ["baud", "share of the raw wire, until verified"],
        [[_n(baud), f"{share:.0%}"] for baud, share in wire.share.items()],
        ["To a simulated node that keeps the wire's pace; 8E1, silences of 3.5 characters."],
    )
    yield Table(
        "AND, trained, deployed, and asked for its truth table",
        ["", "bytes on the wire", "round trips", "from import to exit"],
        [
            [
                "host.train --model and --deploy sim",
                _n(wire.deploy.frames),
                _n(wire.deploy.round_trips),
                f"{wire.deploy.seconds:.2f} s",
            ]
        ],
    )


def fleet_part(measured: Measured) -> Part:
    """fleet: seconds of the line until all nodes are verified, and of one deploy after the other."""
    title = (
        "Counted on the firmware itself, as a process for each node: every character and silence of the line, and "
        "nothing of what the PC and the nodes take to think; the same on every computer."
    )
    figures = {
        "whole": measured.whole.staged,
        "short_silences": measured.short.staged,
        "each_lost": measured.each_lost.staged,
        "all_lost": measured.all_lost.staged,
        "one_by_one": measured.alone,
    }
    return Part(title, [_fleet_table(measured)], {"fleet": figures})


def _fleet_table(measured: Measured) -> Table:
    runs = {
        "by broadcast": measured.whole,
        "with silences of 3.5 characters": measured.short,
        f"each node loses {LOST:.0%} of the blocks": measured.each_lost,
        f"all lose the same {LOST:.0%}": measured.all_lost,
    }
    return Table(
        f"{measured.bytes:,} bytes to {NODES} nodes at {BAUD:,} baud",
        [
            "",
            "blocks sent",
            "all verified, before the switch",
            "each seen to have kept it",
            "to ask what is there, before",
        ],
        [
            *([name, _n(run.blocks), *map(_s, _times(run))] for name, run in runs.items()),
            ["one by one", "", "", _s(measured.alone), ""],
        ],
        [
            "8E1. Of each way to lose blocks the slowest of three runs. One by one: host.deploy, proof included."
        ],
    )


def _times(run: Rollout) -> tuple[float, float, float]:
    return run.staged, run.kept, run.look


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"


def gateway_part(measured: Gateways) -> Part:
    """gateway: of each number of nodes the seconds of a round, and by how much a lamp was later than the longest round;
    messages a second, None without a broker."""
    figures = {
        "round": {str(one.nodes): one.seconds for one in measured.rounds},
        "behind_round": {str(one.nodes): one.late - one.longest for one in measured.rounds},
        "messages": measured.messages.a_second if measured.messages else None,
    }
    lacks = [] if measured.messages else [gateway.NO_BROKER]
    return Part(_measured(), list(_gateway_tables(measured)), {"gateway": figures}, lacks)


def _gateway_tables(measured: Gateways) -> Iterator[Table]:
    yield Table(
        f"Polling a line at {BAUD:,} baud",
        [
            "nodes",
            "a round",
            "rounds a second",
            "with silences of 3.5 characters",
            "a lamp is known after, at most",
            "the longest round then",
        ],
        [
            [
                _n(one.nodes),
                _s(one.seconds),
                f"{1 / one.seconds:.1f}",
                f"{1 / one.short:.1f}",
                _s(one.late),
                _s(one.longest),
            ]
            for one in measured.rounds
        ],
        [
            "The firmware itself, in the line's time: every character and silence, and nothing of what the PC takes."
        ],
    )
    if measured.messages is None or measured.three is None:
        return
    yield Table(
        "From the gateway to a listener at the broker, 100 nodes",
        ["", "measured"],
        [
            ["a lamp, while all values change, median", f"{measured.messages.median:.1f} ms"],
            ["the latest of 300", f"{measured.messages.worst:.1f} ms"],
            ["messages a second, when there is no end of them", _n(round(measured.messages.a_second))],
        ],
        ["Mosquitto and the listener on this computer too."],
    )
    yield Table(
        f"Three processes of host.serve, {gateway.NODES} nodes that sense each, one broker",
        ["line", "rounds a second"],
        [
            *([str(number), f"{one:.1f}"] for number, one in enumerate(measured.three.rounds, 1)),
            ["messages a second at the broker", f"{measured.three.messages:.0f}"],
        ],
        ["All of it on this computer, the simulated nodes too, which answer as fast as they can."],
    )


def pc_part(measured: Pc) -> Part:
    """pc: PyTorch's time / ours by model and type, the smaller of one thread's and all threads'; None without
    PyTorch."""
    ratios: dict[str, dict[str, float]] = {}
    if measured.torch:
        for (model, dtype), times in measured.epochs.items():
            ratios.setdefault(model, {})[dtype] = min(
                pc.ratio(times, threads) for threads in (pc.ONE, pc.ALL)
            )
    lacks = [] if measured.torch else [pc.NO_TORCH]
    return Part(_measured(), list(_pc_tables(measured)), {"pc": ratios or None}, lacks)


def _pc_tables(measured: Pc) -> Iterator[Table]:
    threads = [pc.ONE, pc.ALL] if measured.torch else []
    yield Table(
        "An epoch of training on this computer",
        [
            "model",
            "ours",
            *(f"PyTorch, {name}" for name in threads),
            *(f"theirs / ours, {name}" for name in threads),
        ],
        [
            [
                f"{model} {dtype}",
                *(f"{times[who] * 1e3:.2f} ms" for who in (pc.OURS, *threads)),
                *(f"{pc.ratio(times, name):.2f}" for name in threads),
            ]
            for (model, dtype), times in measured.epochs.items()
        ],
        [
            f"wxb, logistic: one step over {pc.rows_of('wxb'):,} rows of {pc.FEATURES}; mlp: "
            f"{'-'.join(map(str, pc.MODELS['mlp'].units))} by minibatches of {pc.MODELS['mlp'].batch}, "
            f"{pc.rows_of('mlp'):,} rows.",
            f"PyTorch {measured.torch}, in the same run." if measured.torch else f"{pc.NO_TORCH}.",
        ],
    )
    yield Table(
        "The articles' whole trainings",
        ["training", "ours", "their loops in Python"],
        [
            [name, *(f"{times[who] * 1e3:.3f} ms" for who in (pc.OURS, pc.LOOPS))]
            for name, times in measured.small.items()
        ],
    )


def data_part(measured: Data) -> Part:
    """data: our time / that of pandas alone, by how the numbers are written; None without pandas."""
    lacks = [measured.lacks] if measured.lacks else []
    shares = {name: times[data.OURS] / times[data.PANDAS] for name, times in measured.seconds.items()}
    return Part(_measured(), [_data_table(measured, shares)], {"data": shares or None}, lacks)


def _data_table(measured: Data, shares: dict[str, float]) -> Table:
    return Table(
        "Reading a CSV file",
        ["numbers as", "checked, and named by row", "pandas alone", "ratio"],
        [
            [name, *(f"{value:.2f} s" for value in times.values()), f"{shares[name]:.2f}"]
            for name, times in measured.seconds.items()
        ],
        [f"{data.ROWS:,} rows of {data.COLUMNS}, pandas {measured.pandas}."],
    )

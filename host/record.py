"""Record what a node's channels measure.

python -m host.record PORT FILE.csv --channels a0,a1,d0 --rate 1000              until Ctrl-C
python -m host.record PORT FILE.csv --seconds 60                                 the same file goes on
python -m host.record PORT FILE.csv --channels a0 --rate 1000 --keys n=normal,w=worn
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from host.cli.line import line_of
from host.cli.recording import NO_LABEL, labels_of, parse
from host.errors import NeuronError, command, counted
from host.show.terminal import console, note, say, standing, warn
from host.start import ends_raise

if TYPE_CHECKING:
    import argparse

    from host.data.recorder import Recorder


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from host.data.recorded import Recorded, begin
    from host.data.recorder import Around, Recorder
    from host.node.samples import sampled

    if args.keys:
        from host.show.keyboard import require_keyboard

        require_keyboard()
    labels = labels_of(args)
    begun = begin(args.file, args.channels, args.rate, dict(args.scale), labelled=labels is not None)
    around = None if args.before is args.after is None else Around(args.before or 0, args.after or 0)
    names = begun.channels + (labels.channels if labels else ())
    with (
        ends_raise(),
        line_of(args).open(args.port) as node,
        sampled(node, names, begun.rate) as sampling,
    ):
        recorder = Recorder(
            node,
            Recorded(begun, sampling.rate),
            sampling,
            labels=labels,
            seconds=args.seconds,
            around=around,
            say=lambda line: warn([line]),
        )
        warn(recorder.doubts())
        _record(recorder, args)
    return 0


def _record(recorder: Recorder, args: argparse.Namespace) -> None:
    """Until it is done, or ended; what was got is kept and told."""
    try:
        _watch(recorder, args)
        recorder.finish(ask=True)
    except KeyboardInterrupt:
        recorder.finish(ask=True)
        if args.seconds is not None:
            _report(recorder, args)
            raise KeyboardInterrupt(f"before its {args.seconds:g} s were over") from None
    except NeuronError as error:
        with suppress(NeuronError):  # the first is the cause
            recorder.finish(ask=False)
        if not recorder.file.added:
            raise
        error.args = (
            f"{error}; {counted(recorder.file.added, 'sample')}, kept in {recorder.file.path} so far",
        )
        raise
    _report(recorder, args)


def _watch(recorder: Recorder, args: argparse.Namespace) -> None:
    """Show how far it is, and take the keys."""
    from host.show.keyboard import keyboard, no_keyboard

    known = {**(args.keys or {}), NO_LABEL: ""}
    with (keyboard if args.keys else no_keyboard)() as pressed:
        if args.keys:
            words = ", ".join(f"{key} {word}" for key, word in args.keys.items())
            note([f"keys: {words}, space for none; Ctrl-C ends it"])
        with standing(None if args.json else console()) as show:
            while not recorder.done:
                pause = recorder.step()
                show(_so_far(recorder))
                for key in pressed(pause):
                    if key in known:
                        number = recorder.mark(known[key])
                        note([f"{known[key] or 'no label'} from sample {number} on"])


def _so_far(recorder: Recorder) -> str:
    """'record 12 s of 60, 12000 samples, label worn'."""
    file = recorder.file
    of = "" if recorder.wanted is None else f" of {recorder.wanted / file.rate:g}"
    parts = [
        f"record {recorder.passed // file.rate} s{of}",
        counted(recorder.kept, "sample"),
        *([f"{file.lost} lost"] if file.lost else []),
        *([f"label {recorder.label}" if recorder.label else "no label"] if recorder.labels else []),
    ]
    return ", ".join(parts)


def _report(recorder: Recorder, args: argparse.Namespace) -> None:
    """What was recorded now."""
    file = recorder.file
    if args.json:
        import json

        print(
            json.dumps(
                {
                    "file": file.path,
                    "channels": file.channels,
                    "rate": file.rate,
                    "samples": file.added,
                    "gaps": len(file.gaps),
                    "lost": file.lost,
                    "labels": file.labels,
                    "events": len(file.events),
                    "events_lost": recorder.events_lost,
                    "total": file.scans,
                }
            )
        )
        return
    if not file.added:
        warn(
            ["nothing was recorded" + "; no event came" * (args.before is not None or args.after is not None)]
        )
        return
    words = ", ".join(f"{count} {word or 'without label'}" for word, count in file.labels.items())
    gaps = f", {counted(len(file.gaps), 'gap')} with {counted(file.lost, 'sample')} lost" if file.lost else ""
    more = f", {file.scans} in all" if file.scans > file.added else ""
    say(
        console(),
        f"Recorded {counted(file.added, 'sample')} of {','.join(file.channels)} at {file.rate} a second into "
        f"{file.path}{f': {words}' if words else ''}{more}{gaps}",
    )


if __name__ == "__main__":
    raise SystemExit(main())

"""What people call the features of a recording's channels: a0.rms, d1.count, a0.band(100,150) from 100 to 150 Hz,
and a0.bins(26,38), as an image calls the same band of a window of 256 at 1000 Hz."""

from __future__ import annotations

import re
from collections.abc import Sequence

from host.core.channels import NAMES, is_analog
from host.core.wire import BAND_BINS_MAX, Feature
from host.data.recording import Recording
from host.errors import NeuronError, listed
from host.models.sensed import PLAIN, SHIFTED, Measured

NAME = re.compile(r"([ad]\d+)\.([a-z0-9]+)(?:\(([^,()]*),([^,()]*)\))?", re.IGNORECASE)
ANALOG_FEATURES = tuple(one for one in Feature if one <= Feature.BAND)
DIGITAL_FEATURES = tuple(one for one in Feature if one > Feature.BAND)
BINS = "bins"


def named(recording: Recording, names: Sequence[str], window: int) -> tuple[tuple[Measured, ...], list[str]]:
    """The features that were asked for, and what is to be said of them; NeuronError names what is none."""
    found: list[Measured] = []
    notes = []
    for text in names:
        match = NAME.fullmatch(text.strip())
        if match is None:
            raise NeuronError(
                f"--features {text}: give channel.feature, as a0.rms, d0.count, a0.band(100,150)"
            )
        channel, feature, hertz = match[1].lower(), match[2].lower(), 1.0
        if feature == BINS:
            feature, hertz = "band", recording.rate / window
        if channel not in recording.channels:
            raise NeuronError(f"--features {text}: {recording.name} has {listed(recording.channels, 12)}")
        known = [one.name.lower() for one in _features_of(channel)]
        if feature not in known:
            raise NeuronError(f"--features {text}: of {channel} there are {listed(known, 12)}")
        kind = Feature[feature.upper()]
        if (match[3] is None) != (kind is not Feature.BAND):
            raise NeuronError(
                f"--features {text}: a band, and only a band, has its ends in Hz: a0.band(100,150)"
            )
        band, rounded = (0, 0), ""
        if kind is Feature.BAND:
            band, rounded = _bins(text, (match[3], match[4]), hertz, recording.rate, window)
        found.append(_measured(recording, channel, kind, band))
        if kind is Feature.BAND:
            notes.append(f"{found[-1].in_words(recording.rate, window)}{rounded}")
    called = [one.name for one in found]
    if twice := [name for name in called if called.count(name) > 1]:
        raise NeuronError(f"--features has {twice[0]} twice")
    return tuple(found), notes


def all_of(recordings: Sequence[Recording], window: int) -> tuple[tuple[Measured, ...], list[str]]:
    """Every feature of every channel, and bands that lie side by side, each about as wide as it is high; but for
    channels that the labels were taken from."""
    recording, labels = recordings[0], _labelling(recordings)
    found = []
    for channel in recording.channels:
        if channel in labels:
            continue
        for feature in _features_of(channel):
            for band in _bands(window) if feature is Feature.BAND else [(0, 0)]:
                found.append(_measured(recording, channel, feature, band))
    if not found:
        raise NeuronError(
            f"{labels[0]} says the label in every scan, and there is no other channel to learn from"
        )
    return tuple(found), [
        f"left out: {channel}, which says the label in every scan; --features {channel}.level would take it"
        for channel in labels
    ]


def _labelling(recordings: Sequence[Recording]) -> list[str]:
    """Digital channels whose two levels are the two labels, in all scans that have one."""
    found = []
    for place, channel in enumerate(recordings[0].channels):
        if is_analog(channel):
            continue
        pairs: set[tuple[str, int]] = set()
        for one in recordings:
            pairs |= set(zip(one.labels or (), one.raw[:, place].tolist(), strict=True))
        said = {label: level for label, level in pairs if label}
        if len(said) == len({pair for pair in pairs if pair[0]}) == len(set(said.values())) == 2:
            found.append(channel)
    return found


def _features_of(channel: str) -> tuple[Feature, ...]:
    return ANALOG_FEATURES if is_analog(channel) else DIGITAL_FEATURES


def _measured(recording: Recording, channel: str, feature: Feature, band: tuple[int, int]) -> Measured:
    """In the channel's unit, where it has one."""
    factor, offset, _ = recording.scale.get(channel, (1.0, 0.0, ""))
    if feature in PLAIN:
        factor, offset = 1.0, 0.0
    elif feature not in SHIFTED:
        factor, offset = abs(factor), 0.0
    return Measured(NAMES.index(channel), feature, band, factor, offset)


def _bands(window: int) -> list[tuple[int, int]]:
    """1, 2-3, 4-7, 8-15, then BAND_BINS_MAX bins each, up to half the rate."""
    starts, last = [1], window // 2 - 1
    while starts[-1] + min(starts[-1], BAND_BINS_MAX) <= last:
        starts.append(starts[-1] + min(starts[-1], BAND_BINS_MAX))
    ends = [*(start - 1 for start in starts[1:]), min(last, starts[-1] + BAND_BINS_MAX - 1)]
    return list(zip(starts, ends, strict=True)) if last >= 1 else []


def _bins(
    text: str, given: Sequence[str], hertz: float, rate: int, window: int
) -> tuple[tuple[int, int], str]:
    """The bins of a band whose ends are given in so many Hz; where they are not quite what was asked for, that."""
    step, last = rate / window, window // 2 - 1
    try:
        ends = float(given[0]) * hertz, float(given[1]) * hertz
    except ValueError:
        raise NeuronError(f"--features {text}: its ends are no numbers; in Hz, as a0.band(100,150)") from None
    if not 0 < ends[0] <= ends[1] < rate / 2:
        raise NeuronError(
            f"--features {text}: a band goes up from above 0 to below {rate / 2:g} Hz, half the recording's rate"
        )
    first, final = (min(max(round(end / step), 1), last) for end in ends)
    if last < 1 or final - first >= BAND_BINS_MAX:
        raise NeuronError(
            f"--features {text}: {final - first + 1} bins of {step:.4g} Hz, a node takes {BAND_BINS_MAX} at most: give "
            f"a band of up to {(BAND_BINS_MAX - 1) * step:.4g} Hz, or a shorter --window"
        )
    if (first * step, final * step) == ends:
        return (first, final), ""
    return (first, final), f", {text} in whole steps of {step:.4g} Hz"

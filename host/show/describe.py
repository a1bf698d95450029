"""What is inside an image, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from host.core.channels import NAMES, names_of
from host.core.fixed import INT16_MAX, INT16_MIN, Int16, fixed_to_float
from host.core.hashes import hash_of
from host.core.image import HEADER, Model, image_crc
from host.core.infer import dequantise_inputs
from host.core.load import instructions, share
from host.core.senses import Senses, Source
from host.core.wire import Feature
from host.errors import counted
from host.node.staging import checked_image

WIDTH = 20
"""Of a name in a column of them; a longer one pushes the rest aside."""


def input_names(model: Model) -> list[str]:
    """What the inputs are called, or else their numbers."""
    return list(model.names.inputs) or [str(i + 1) for i in range(model.inputs)]


def output_names(model: Model) -> list[str]:
    """What each output is called, by itself or by its class, or else its number."""
    for named in (model.names.outputs, model.names.classes):
        if len(named) == model.outputs:
            return list(named)
    return [str(i + 1) for i in range(model.outputs)]


def class_names(model: Model) -> list[str]:
    """What the classes are called, or else their numbers from 0; [] where the outputs are numbers."""
    if model.names.classes:
        return list(model.names.classes)
    return [str(i) for i in range(model.classes)] if model.led_class else []


def ranges(model: Model) -> list[tuple[float, float]]:
    """The range of each input in its own units, as far as the image says it, else what its format holds."""
    ends: Int16 = np.array([model.input_low, model.input_high], np.int16)
    low, high = dequantise_inputs(model, ends).tolist()
    return list(zip(low, high, strict=True))


def threshold(model: Model) -> float:
    """What parts the LED's output, or the two classes of a single one, in its own units."""
    return float(fixed_to_float(np.int16(model.led_threshold), model.led_fraction))


def _senses(model: Model, senses: Senses) -> dict[str, Any]:
    """instructions: a window, about; share: of a board's clock that all windows take."""
    return {
        "rate": senses.rate,
        "window": senses.window,
        "hop": senses.hop,
        "seed": senses.seed,
        "channels": list(names_of(senses.channels)),
        "sources": [_source(source) if source else None for source in senses.sources],
        "instructions": instructions(model, senses),
        "share": share(model, senses),
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "channel": NAMES[source.channel],
        "feature": source.feature.name.lower(),
        "band": list(source.band) if source.feature is Feature.BAND else None,
        "multiply": source.multiply,
        "shift": source.shift,
        "offset": source.offset,
    }


def _decision(model: Model) -> dict[str, Any]:
    """Times in ms; threshold_off in the output's own units, of a class None."""
    decision = model.decision
    off = model.led_threshold if decision.threshold_off is None else decision.threshold_off
    own = None if model.led_class else float(fixed_to_float(np.int16(off), model.led_fraction))
    return {**asdict(decision), "threshold_off": own}


def as_dict(image: bytes) -> dict[str, Any]:
    """An image, which is checked by its self-test."""
    model = checked_image(image)
    classes = class_names(model)
    lit: dict[str, Any] = {"output": model.led_output, "threshold": threshold(model)}
    if model.led_class:
        lit = {"class": classes[model.led_output]}
    return {
        "name": model.name,
        "format": HEADER.unpack_from(image)[1],
        "bytes": len(image),
        "crc32": image_crc(image),
        "hash": hash_of(image).hex(),
        "release": model.release or None,
        "named": bool(model.names.inputs),
        "inputs": [
            {
                "name": name,
                "low": low,
                "high": high,
                "declared": declared,
                "offset": offset,
                "fraction": fraction,
                "step": 2.0**-fraction,
            }
            for name, (low, high), declared, offset, fraction in zip(
                input_names(model),
                ranges(model),
                _declared(model),
                model.input_offset,
                model.input_fraction,
                strict=True,
            )
        ],
        "layers": [
            {"inputs": layer.inputs, "outputs": layer.outputs, "activation": layer.activation.name.lower()}
            for layer in model.layers
        ],
        "outputs": [
            {"name": name, "fraction": fraction, "step": 2.0**-fraction}
            for name, fraction in zip(output_names(model), model.output_fraction, strict=True)
        ],
        "target": model.names.outputs[0] if len(model.names.outputs) == 1 else None,
        "classes": classes,
        "led": lit,
        "senses": _senses(model, model.senses) if model.senses else None,
        "decision": _decision(model),
        "self_test": {"rows": len(model.vector_inputs), "passed": True},
    }


def _declared(model: Model) -> list[bool]:
    """Which inputs have a range that is narrower than their format."""
    return [ends != (INT16_MIN, INT16_MAX) for ends in zip(model.input_low, model.input_high, strict=True)]


def as_lines(image: bytes) -> list[str]:
    """The same in words."""
    said = as_dict(image)
    named = "" if said["named"] else ", without names"
    released = f", release {said['release']}" if said["release"] else ""
    text = [
        f"{said['name'] or 'a model'}: image format {said['format']}, {counted(said['bytes'], 'byte')}, "
        f"CRC-32 {said['crc32']:08x}{released}",
        f"  {counted(len(said['inputs']), 'input')}{named}",
    ]
    for each, hertz in zip(said["inputs"], _bands(said), strict=True):
        ends = f"{each['low']:g}..{each['high']:g}" + ("" if each["declared"] else " (all that it holds)")
        offset = f", from {each['offset']:g}" if each["offset"] else ""
        text.append(f"    {each['name']:<{WIDTH}} {ends}, step 2^{-each['fraction']}{offset}{hertz}")
    text.append(f"  {counted(len(said['layers']), 'layer')}")
    for layer in said["layers"]:
        text.append(f"    {layer['inputs']} to {layer['outputs']}, {layer['activation']}")
    text.append(f"  {counted(len(said['outputs']), 'output')}")
    for each in said["outputs"]:
        text.append(f"    {each['name']:<{WIDTH}} step 2^{-each['fraction']}")
    if said["classes"]:
        text.append(f"  {len(said['classes'])} classes{_target(said)}: {', '.join(said['classes'])}")
    text.append(f"  the LED is lit when {lit_in_words(said)}")
    text += _sensed(said) + decided_in_words(said)
    text.append(f"  self-test: {counted(said['self_test']['rows'], 'row')}, every output as the image says")
    text.append(f"  hash {said['hash']}")
    return text


def _bands(said: dict[str, Any]) -> list[str]:
    """Of each input, what its bins are in Hz where it is a band."""
    senses = said["senses"]
    if not senses:
        return [""] * len(said["inputs"])
    bands = [source and source["band"] for source in senses["sources"]]
    step = senses["rate"] / senses["window"]
    return [f"; {band[0] * step:.4g} to {band[1] * step:.4g} Hz" if band else "" for band in bands]


def _sensed(said: dict[str, Any]) -> list[str]:
    senses = said["senses"]
    if not senses:
        return []
    rate, window, hop = senses["rate"], senses["window"], senses["hop"]
    return [
        f"  senses {', '.join(senses['channels'])}, {counted(rate, 'scan')} a second: "
        f"a window of {window} ({window / rate:g} s) every {hop} ({hop / rate:g} s)",
        f"  a window takes about {senses['instructions']} instructions, all of them {100 * senses['share']:.2f} % of a "
        "board's clock",
    ]


def decided_in_words(said: dict[str, Any]) -> list[str]:
    """How the LED's condition becomes a decision, where that is not at once. said: as `as_dict`."""
    d, off = said["decision"], said["decision"]["threshold_off"]
    found = [f"off again at {_short(off, said)} or below"] if off != said["led"].get("threshold") else []
    parts = [
        (d["of"] > 1, f"{d['votes']} of the last {d['of']}"),
        (d["on_delay"] > 0, f"on after {_duration(d['on_delay'])}"),
        (d["off_delay"] > 0, f"off after {_duration(d['off_delay'])}"),
        (d["hold"] > 0, f"each for {_duration(d['hold'])} at least"),
        (d["latch"], "latched until it is acknowledged (host.deploy PORT --acknowledge)"),
        (d["before"], "on before the first " + ("window" if said["senses"] else "inputs")),
    ]
    found += [text for holds, text in parts if holds]
    return [f"  decides {', '.join(found)}"] if found else []


def _duration(milliseconds: int) -> str:
    """As it would be typed: in seconds where they are whole."""
    return f"{milliseconds} ms" if milliseconds % 1000 else f"{milliseconds // 1000} s"


def _short(value: float, said: dict[str, Any]) -> str:
    """The shortest number that is the same threshold in the format of the LED's output, where it is rounded down."""
    scale = math.ldexp(1, said["outputs"][said["led"]["output"]]["fraction"])
    rounded = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return f"{next(near for near in rounded if math.floor(near * scale) == value * scale):.9g}"


def _target(said: dict[str, Any]) -> str:
    return f" of {said['target']}" if said["target"] else ""


def lit_in_words(said: dict[str, Any]) -> str:
    """When the LED is lit. said: as `as_dict`."""
    if "class" in said["led"]:
        return f"the class is {said['led']['class']}"
    of = said["outputs"][said["led"]["output"]]["name"]
    return f"output {of} > {_short(said['led']['threshold'], said)}"

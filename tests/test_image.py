"""Which images are accepted: host/core/image.py and firmware/core/image.c refuse the same bytes, and say why alike."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from host.core.crc import crc32
from host.core.decide import Decision
from host.core.image import CRC, HEADER, LAYER, Model, Names, decode, encode, image_size, parts_size
from host.core.senses import senses_bytes
from host.core.wire import (
    IMAGE_MAX,
    LAYERS_MAX,
    NAMES_GROUP,
    NAMES_NEXT,
    UNITS_MAX,
    VECTORS_MAX,
    Flag,
    Reason,
)
from tests.models import largest_models, random_model
from tests.parity.twins import BUILDS, Twins, Verdict, build_id, python_verdict

IMAGES, MUTANTS_AN_IMAGE = 150, 120
REASONS = {Reason.NONE, Reason.MAGIC, Reason.VERSION, Reason.LENGTH, Reason.CRC, Reason.SIZES}
REASONS |= {
    Reason.FRACTION,
    Reason.ACTIVATION,
    Reason.PADDING,
    Reason.SELF_TEST,
    Reason.SENSES,
    Reason.DECIDES,
}
"""All that the bytes of an image can give; ALIGNMENT is about where they lie."""

Generator = np.random.Generator


@pytest.fixture(scope="module", params=BUILDS, ids=build_id)
def twins(request: pytest.FixtureRequest) -> Twins:
    return Twins(request.param)


def seal(image: bytes) -> bytes:
    """The image with a right CRC-32, so that what lies behind that check is reached."""
    body = image[: -CRC.size]
    return body + CRC.pack(crc32(body))


def flags_of(image: bytes) -> int:
    return int(HEADER.unpack_from(image)[2]) & ~Flag.LED_CLASS


def sections(model: Model) -> int:
    """Bytes of the senses, the decision and the release."""
    plain = replace(model, names=Names(), senses=None)
    senses = len(senses_bytes(model.senses)) if model.senses else 0
    return senses + parts_size(plain) - parts_size(replace(plain, decision=Decision(), release=0))


def parts_before_layers(model: Model) -> int:
    """Bytes of what only some models have, but for the names."""
    return sections(model) + parts_size(
        replace(model, names=Names(), senses=None, decision=Decision(), release=0)
    )


def layer_offsets(image: bytes) -> list[int]:
    """Where the layers' headers stand, and the vectors."""
    model = decode(image)
    offsets = [HEADER.size + -(-model.inputs // 4) * 4 + parts_before_layers(model)]
    for layer in model.layers:
        offsets.append(offsets[-1] + LAYER.size + layer.outputs * (4 + 2 * (layer.inputs + layer.inputs % 2)))
    return offsets


# ----------------------------------------------------------------------------------------------------------- mutations


def flip_bits(rng: Generator, image: bytes) -> bytes:
    data = bytearray(image)
    for _ in range(int(rng.integers(1, 4))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return seal(bytes(data))


def flip_header_bits(rng: Generator, image: bytes) -> bytes:
    data = bytearray(image)
    data[int(rng.integers(HEADER.size))] ^= 1 << int(rng.integers(8))
    return seal(bytes(data))


def flip_without_seal(rng: Generator, image: bytes) -> bytes:
    data = bytearray(image)
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(rng: Generator, image: bytes) -> bytes:
    return image[: int(rng.integers(len(image)))]


def cut_consistently(rng: Generator, image: bytes) -> bytes:
    """Shorter or longer, with length and CRC of what is left."""
    size = int(rng.integers(HEADER.size // 4 + 1, len(image) // 4 + 3)) * 4
    data = bytearray(image[: size - 4].ljust(size, b"\0"))
    data[8:12] = struct.pack("<I", size)
    return seal(bytes(data))


def edit_header(rng: Generator, image: bytes) -> bytes:
    """A field of the header becomes one near a limit."""
    offset = int(rng.choice([4, 6, 8, 28, 30, 32, 34, 36, 38]))
    (old,) = struct.unpack_from("<H", image, offset)
    limits = [0, 1, LAYERS_MAX, UNITS_MAX, VECTORS_MAX, IMAGE_MAX, old - 1, old + 1, 0xFFFF]
    near = int(rng.choice(limits)) + int(rng.integers(-1, 2))
    data = bytearray(image)
    struct.pack_into("<H", data, offset, near & 0xFFFF)
    return seal(bytes(data))


def edit_name(rng: Generator, image: bytes) -> bytes:
    data = bytearray(image)
    data[12 + int(rng.integers(16))] = int(rng.choice([0, 0x1F, 0x20, 0x7E, 0x7F, 0x80, 0xFF]))
    return seal(bytes(data))


def edit_layer(rng: Generator, image: bytes) -> bytes:
    """A field of a layer's header becomes any value."""
    offset = int(rng.choice(layer_offsets(image)[:-1]))
    data = bytearray(image)
    data[offset + int(rng.choice([0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 7]))] = int(rng.integers(256))
    return seal(bytes(data))


def edit_layer_slightly(rng: Generator, image: bytes) -> bytes:
    """Activation and fraction bits near their limits."""
    offset = int(rng.choice(layer_offsets(image)[:-1]))
    data = bytearray(image)
    field = int(rng.integers(3))
    if field == 0:
        data[offset + 4] = int(rng.integers(7))
    else:
        data[offset + 4 + field] = (
            int(rng.choice([-128, -33, -17, -16, -15, 0, 11, 12, 15, 31, 32, 46, 127])) & 0xFF
        )
    return seal(bytes(data))


def edit_fraction(rng: Generator, image: bytes) -> bytes:
    data = bytearray(image)
    start, end = HEADER.size, layer_offsets(image)[0]
    data[int(rng.integers(start, end))] = int(rng.choice([-128, -17, -16, 0, 1, 31, 32, 127])) & 0xFF
    return seal(bytes(data))


def edit_parts(rng: Generator, image: bytes) -> bytes:
    """Offsets, ranges or fractions of outputs become extreme ones."""
    start, end = HEADER.size + -(-decode(image).inputs // 4) * 4, layer_offsets(image)[0]
    if start == end:
        return flip_bits(rng, image)
    data = bytearray(image)
    at = int(rng.integers(start // 4, end // 4)) * 4
    data[at : at + 4] = struct.pack(
        "<I",
        int(rng.choice([0x7F800000, 0x7FC00001, 0xFF7FFFFF, 0x80007FFF, 0x00010000, 0x1F1F, 0x80000000])),
    )
    return seal(bytes(data))


def edit_sections(rng: Generator, image: bytes) -> bytes:
    """A byte, or a word, of the senses, the decision or the release."""
    size, end = sections(decode(image)), layer_offsets(image)[0]
    if size == 0:
        return edit_parts(rng, image)
    data = bytearray(image)
    at = end - 1 - int(rng.integers(size))
    if rng.random() < 0.2:
        at -= at % 4
        data[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])))
    else:
        data[at] = int(rng.choice([0, 1, 2, 7, 8, 9, 11, 12, 32, 33, 63, 64, 128, 255, data[at] ^ 1]))
    return seal(bytes(data))


def edit_names(rng: Generator, image: bytes) -> bytes:
    names = parts_size(decode(image)) - parts_before_layers(decode(image))
    if names == 0:
        return edit_header(rng, image)
    data = bytearray(image)
    at = len(data) - CRC.size - 1 - int(rng.integers(names))
    data[at] = int(rng.choice([0, 0x1D, NAMES_GROUP, NAMES_NEXT, 0x20, 0x7F, 0xC3]))
    return seal(bytes(data))


def edit_end(rng: Generator, image: bytes) -> bytes:
    """The vectors and their padding."""
    data = bytearray(image)
    start = layer_offsets(image)[-1]
    data[int(rng.integers(max(start, len(data) - 12), len(data) - 4))] = int(rng.integers(1, 256))
    return seal(bytes(data))


def garbage(rng: Generator, image: bytes) -> bytes:
    return rng.bytes(int(rng.integers(200)))


MUTATIONS: list[Callable[[Generator, bytes], bytes]] = [
    flip_bits,
    flip_header_bits,
    flip_without_seal,
    cut,
    cut_consistently,
    edit_header,
    edit_name,
    edit_layer,
    edit_layer_slightly,
    edit_fraction,
    edit_parts,
    edit_sections,
    edit_names,
    edit_end,
    garbage,
]


@cache
def images() -> list[bytes]:
    rng = np.random.default_rng(17)
    models = [random_model(rng, largest=12, senses=True) for _ in range(IMAGES)] + largest_models(rng)
    return [encode(model) for model in models]


@cache
def mutants() -> list[tuple[bytes, Verdict]]:
    """Broken images and what Python says of them."""

    def every() -> Iterator[bytes]:
        rng = np.random.default_rng(18)
        for image in images()[:IMAGES]:
            for i in range(MUTANTS_AN_IMAGE):
                mutant = MUTATIONS[i % len(MUTATIONS)](rng, image)
                yield MUTATIONS[int(rng.integers(6, 14))](rng, image) if i % 10 == 9 else mutant

    return [(mutant, python_verdict(mutant)) for mutant in every()]


# --------------------------------------------------------------------------------------------------------------- tests


def test_good_images_are_accepted_and_come_back(twins: Twins) -> None:
    assert twins.images(images()) == [Verdict(Reason.NONE, 0, True)] * len(images())
    assert [encode(decode(image)) for image in images()] == images()
    assert {
        flag: sum(HEADER.unpack_from(image)[2] & flag > 0 for image in images()) > 20 for flag in Flag
    } == (dict.fromkeys(Flag, True))


def test_mutants_are_refused_alike(twins: Twins) -> None:
    expected = [verdict for _, verdict in mutants()]
    found = twins.images([mutant for mutant, _ in mutants()])
    assert len(found) == len(expected) == IMAGES * MUTANTS_AN_IMAGE
    for number, (theirs, ours) in enumerate(zip(found, expected, strict=True)):
        assert theirs == ours, mutants()[number][0].hex()


def test_the_mutants_reach_every_check() -> None:
    counts = Counter(verdict.reason for _, verdict in mutants())
    assert set(counts) == REASONS
    assert all(count >= 50 for count in counts.values()), counts
    details = {reason: {v.detail for _, v in mutants() if v.reason is reason} for reason in counts}
    for reason in (Reason.SIZES, Reason.FRACTION, Reason.ACTIVATION, Reason.PADDING, Reason.LENGTH):
        assert len(details[reason]) > 3, reason
    assert any(detail > 3 for detail in details[Reason.SELF_TEST])


@pytest.mark.parametrize("parts", [0, 7])
def test_every_single_bit_of_an_image_counts(twins: Twins, parts: int) -> None:
    """With its CRC as it was, no flipped bit is accepted; with a new CRC both sides still agree. parts: of those that
    only some images have."""
    image = min((image for image in images() if flags_of(image).bit_count() == parts), key=len)
    flipped = []
    for bit in range(8 * len(image)):
        data = bytearray(image)
        data[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(data))
    assert all(verdict.reason is not Reason.NONE for verdict in twins.images(flipped))
    sealed = [seal(data) for data in flipped]
    assert twins.images(sealed) == [python_verdict(data) for data in sealed]


def test_every_length_is_safe(twins: Twins) -> None:
    image = images()[0]
    lengths = [image[:size] for size in range(len(image))] + [image + bytes(extra) for extra in range(1, 9)]
    lengths += [bytes(size) for size in (IMAGE_MAX - 4, IMAGE_MAX, IMAGE_MAX + 4, 65536)]
    found = twins.images(lengths)
    assert found == [python_verdict(data) for data in lengths]
    assert Reason.NONE not in {verdict.reason for verdict in found}


def test_an_image_over_the_limit_is_refused(twins: Twins) -> None:
    image = max(images(), key=len)
    assert len(image) == IMAGE_MAX
    longer = bytearray(image[:-4] + bytes(8))
    longer[8:12] = struct.pack("<I", len(longer))
    assert twins.images([seal(bytes(longer))]) == [python_verdict(seal(bytes(longer)))]
    assert python_verdict(seal(bytes(longer))).reason is Reason.LENGTH


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_an_unaligned_image_is_refused(twins: Twins, offset: int) -> None:
    assert twins.images(images()[:10], offset) == [Verdict(Reason.ALIGNMENT, 0, False)] * 10
    assert twins.images(images()[:10], 4) == [Verdict(Reason.NONE, 0, True)] * 10


def test_the_size_of_an_image_is_known_from_its_shape() -> None:
    rng = np.random.default_rng(485)
    models = [*(random_model(rng) for _ in range(IMAGES)), *largest_models(rng)]
    shapes = [[model.inputs, *(layer.outputs for layer in model.layers)] for model in models]
    vectors = [len(model.vector_inputs) for model in models]
    sizes = [image_size(shape, count) for shape, count in zip(shapes, vectors, strict=True)]
    assert [size + parts_size(model) for size, model in zip(sizes, models, strict=True)] == [
        len(encode(model)) for model in models
    ]
    assert sum(parts_size(model) > 0 for model in models) > IMAGES / 4
    assert {shape[0] % 2 for shape in shapes} == {0, 1}

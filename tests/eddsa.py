"""EdDSA over edwards25519 with BLAKE2b-512, plainly: RFC 8032, 5.1, with the other hash. Only for tests: it is slow,
and tells its secrets by the time that it takes.

A point is (x, y) of -x^2 + y^2 = 1 + d x^2 y^2 modulo P; encoded, the 255 bits of y and the lowest bit of x.
"""

from __future__ import annotations

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
"""Of the base point: that many times it is NEUTRAL."""
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    both = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + both, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - both, -1, P)
    return x % P, y % P


def times(number: int, point: Point) -> Point:
    result = NEUTRAL
    for bit in f"{number:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def x_of(y: int) -> int | None:
    """The even x that belongs to it; None where it is no point's."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    if root * root % P != square:
        return None
    return P - root if root & 1 else root


def decode(data: bytes) -> Point | None:
    """None where it is no point of the curve."""
    number = int.from_bytes(data, "little")
    y = number % 2**255 % P
    x = x_of(y)
    return None if x is None else ((P - x) % P if number >> 255 else x, y)


def _base() -> Point:
    y = 4 * pow(5, -1, P) % P
    x = x_of(y)
    assert x is not None
    return x, y


BASE = _base()


def _digest(*parts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(b"".join(parts)).digest(), "little")


def public_key(secret: bytes) -> bytes:
    return encode(times(_scalar(secret), BASE))


def _scalar(secret: bytes) -> int:
    low = int.from_bytes(hashlib.blake2b(secret).digest()[:32], "little")
    return low & (1 << 254) - 8 | 1 << 254


def sign(secret: bytes, message: bytes) -> bytes:
    key = public_key(secret)
    r = _digest(hashlib.blake2b(secret).digest()[32:], message) % L
    nonce = encode(times(r, BASE))
    s = (r + _digest(nonce, key, message) * _scalar(secret)) % L
    return nonce + s.to_bytes(32, "little")


def low_order() -> list[Point]:
    """The eight points that are NEUTRAL when they are taken eight times."""
    y = 2
    while True:
        x = x_of(y)
        point = NEUTRAL if x is None else times(L, (x, y))
        if times(4, point) != NEUTRAL:
            return [times(number, point) for number in range(8)]
        y += 1

"""Twins of firmware/core, by stem: the wire, the arithmetic, the image. No I/O."""

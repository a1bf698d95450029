"""Fuzzing: frames into a node, bytes into the image parser. Run by tests/test_fuzz.py."""

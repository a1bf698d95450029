"""Generators, benchmarks and the README's two commands."""

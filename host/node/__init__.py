"""Stage 4, a node: the line to it, what it says of itself, how a model gets there."""

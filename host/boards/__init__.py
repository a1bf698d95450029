"""Where a node can be: a port, the simulated node, the board in Renode."""

"""Stage 3, models: dense layers, their bounds, and fixed point."""

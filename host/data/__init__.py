"""Stage 1, data: samples in, scaled."""

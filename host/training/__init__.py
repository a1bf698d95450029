"""Stage 2, training: what is asked for, descent, and what it leaves."""

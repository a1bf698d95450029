"""Five short lessons, in English and Chinese."""

"""Five short lessons, in English and Chinese."""

COUNT = 5
LANGUAGES = ("en", "zh")

"""Six short lessons, in English and Chinese."""

COUNT = 6
LANGUAGES = ("en", "zh")

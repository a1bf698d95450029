"""Seven short lessons, in English and Chinese."""

COUNT = 7
LANGUAGES = ("en", "zh")

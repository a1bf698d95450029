"""One process owns the lines and offers them to all: a page, JSON, MQTT and /metrics."""

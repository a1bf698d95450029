"""The tests. Twins are compared with ==; hardware is opt-in: pytest --port /dev/ttyUSB0."""

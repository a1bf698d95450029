"""The page, in a real browser, on a gateway of its own."""

"""The rules: pure functions and plain data; no I/O, no clock, no randomness, no framework."""

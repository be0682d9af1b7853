"""Benchmarks: ratios measured in one run, on one machine, against the same server and the same database without us."""

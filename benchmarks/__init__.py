"""What it costs, measured: `make bench`, or `python -m benchmarks --only NAME`. Nothing here asserts a speed."""

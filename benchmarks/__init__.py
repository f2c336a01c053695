"""What a stage costs, beside the loop one would write by hand. ``python -m benchmarks --help``."""

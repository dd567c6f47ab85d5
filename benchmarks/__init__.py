"""Benchmarks: every claim of speed is a ratio, measured against its peer in one run."""

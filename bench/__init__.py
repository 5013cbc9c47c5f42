"""Benchmarks: medians of three, ratios, CPU. `./run bench NAME`. Not part of the tests."""

"""The benchmarks: one harness, one run, ratios (`make bench`; see docs/performance.md)."""

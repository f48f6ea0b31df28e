"""What is measured: one module per part, each with `run(scale)` that returns its figures."""

"""The `region-sim` command."""

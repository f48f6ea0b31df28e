"""Judges a history: one checker for each promise, coverage, and what it all adds up to."""

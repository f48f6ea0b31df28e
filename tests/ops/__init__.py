"""Tests of the HTTP edge; `world.py` is the cluster that they run against."""

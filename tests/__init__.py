"""Tests of georeg; the folders mirror the packages."""

"""The rules of one region: admission, leases, budgets, replication.

Sees the outside only through `ports.py`; never reads a clock or a random source of its own.
"""

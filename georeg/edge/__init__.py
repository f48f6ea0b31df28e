"""HTTP for devices and backends: bytes in, problem+json out, every decision left to the region.

Start reading at `routes.py` (every call in one table), then `app.py` (what wraps each of them).
"""

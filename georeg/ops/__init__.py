"""What operators see and steer of one region: an HTTP API of its own, on a port of its own.

Its callers have their own keys, every action leaves a line in the audit log, and its answers are
what `georeg status`, `georeg quota` and the other commands show. See docs/operations.md.
"""

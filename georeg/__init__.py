"""georeg: concurrent-stream limits for a video service, enforced in several regions at once."""

__version__ = "0.1.0"

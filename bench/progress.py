"""Progress, for whoever waits: on standard error, so that the report can be piped."""

import sys


def say(what: str) -> None:
    """One line."""
    print(f"bench: {what}", file=sys.stderr, flush=True)

"""Paths of the API that more than its table of routes has to know."""

from typing import Final

HEARTBEAT: Final = "/v1/sessions/heartbeat"
HEARTBEATS: Final = "/v1/sessions/heartbeats"
STOP: Final = "/v1/sessions/stop"
EVENTS: Final = "/v1/sessions/events"
INTROSPECT: Final = "/v1/introspect"
ACCOUNTS: Final = "/v1/accounts/"
"""What is about one account, which follows."""
SESSIONS: Final = f"{ACCOUNTS}{{account}}/sessions"

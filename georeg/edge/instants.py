"""Times on the wire: RFC 3339 in UTC with milliseconds, and back.

Inside, a time is milliseconds since 1970 as an int; nothing here reads a clock.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

INSTANT_PATTERN: Final = (
    r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"
)

_INSTANT: Final = re.compile(INSTANT_PATTERN, re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_MS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
_OFFSET_LENGTH: Final = len("+00:00")


@lru_cache(maxsize=1024)
def instant(time_ms: int) -> str:
    """Milliseconds since 1970 as text; what no calendar holds becomes the nearest that one does."""
    moment = _EPOCH + timedelta(milliseconds=min(max(time_ms, 0), _MS_MAX))
    return moment.isoformat(timespec="milliseconds")[:-_OFFSET_LENGTH] + "Z"


def parse_instant(text: str) -> int | None:
    """Milliseconds since 1970, truncated; None when it is not a time of RFC 3339."""
    if _INSTANT.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    since_ms = (moment - _EPOCH) // _MS
    return since_ms if 0 <= since_ms <= _MS_MAX else None

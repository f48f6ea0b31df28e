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


def instant(time_ms: int) -> str:
    """Milliseconds since 1970 as text; what no calendar holds becomes the nearest that one does.

    Seconds are remembered: a calendar takes 3 us, and under load many calls share one.
    """
    if not 0 <= time_ms <= _MS_MAX:
        time_ms = min(max(time_ms, 0), _MS_MAX)
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(time_s: int) -> str:
    return (_EPOCH + timedelta(seconds=time_s)).isoformat()[:-_OFFSET_LENGTH]


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

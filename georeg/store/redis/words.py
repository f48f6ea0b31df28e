"""What Redis or the way to it refuses, in one line that says what to look at."""

from typing import Final

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    SlotNotCoveredError,
    TryAgainError,
)

WRONG: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What calling Redis raises that is not a mistake of ours."""

_REFUSED: Final = "does not permit its user what georeg needs"
"""Here the server's own words say what that is."""
_LINE_MAX: Final = 200
_CLASSES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (AuthenticationError, "refuses the user or the password"),
    (NoPermissionError, _REFUSED),
    (BusyLoadingError, "is loading its data"),
    (OutOfMemoryError, "is out of memory (maxmemory)"),
    (ReadOnlyError, "is a replica and takes no writes"),
    (MasterNotFoundError, "has no master that its sentinels agree on"),
    (SlotNotCoveredError, "has slots that no node covers"),
    (ClusterDownError, "says that its cluster is down"),
    (TryAgainError, "is moving the slot of these keys"),
    (MaxConnectionsError, "has all its connections in use"),
)
_PREFIXES: Final = (
    ("WRONGPASS", "refuses the user or the password"),
    ("NOAUTH", "asks for a user and a password"),
    ("NOPERM", _REFUSED),
    ("The user executing the script", _REFUSED),
    ("OOM", "is out of memory (maxmemory)"),
    ("MISCONF", "cannot save to its disk, and takes no writes until it can"),
    ("NOREPLICAS", "has too few replicas (min-replicas-to-write) and takes no writes"),
    ("MASTERDOWN", "is a replica without a master"),
    ("BUSY", "is busy with another script"),
    ("READONLY", "is a replica and takes no writes"),
    ("CLUSTERDOWN", "says that its cluster is down"),
)


def in_words(error: BaseException, timeout_ms: int) -> str:
    """What happened, to follow "Redis at host:port ". Never with a password."""
    text = str(error)
    by_class = (words for kind, words in _CLASSES if isinstance(error, kind))
    words = next((w for prefix, w in _PREFIXES if text.startswith(prefix)), next(by_class, ""))
    if words:
        return f"{words}: {_line(error)}" if words is _REFUSED else words
    # redis-py has a TimeoutError of its own, which is not Python's.
    if type(error).__name__ == "TimeoutError":
        return f"did not answer within {timeout_ms} ms"
    if isinstance(error, OSError) or type(error).__name__ == "ConnectionError":
        return f"is out of reach: {_line(_cause(error))}"
    if isinstance(error, ClusterError | RedisClusterException):
        return f"is no cluster that answers: {_line(error)}"
    return f"refuses: {_line(error)}"


def _cause(error: BaseException) -> BaseException:
    """What the system said, where redis-py has wrapped it."""
    cause = error.__cause__ or error.__context__
    return cause if isinstance(cause, OSError) and cause.strerror else error


def _line(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    text = strerror if isinstance(strerror, str) else str(error)
    return " ".join(text.split())[:_LINE_MAX] or type(error).__name__



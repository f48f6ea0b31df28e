"""Redis without a server: georeg's scripts run by fakeredis and real Lua, at a time of our own."""

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import fakeredis
from fakeredis import _helpers
from fakeredis._socket import _base
from fakeredis.commands_mixins import server_mixin


class Engine:
    """One data set, empty at first."""

    def __init__(self) -> None:
        self._redis = fakeredis.FakeRedis(server=fakeredis.FakeServer())

    def run(self, act: Callable[[Any], Any], wall_s: float) -> Any:
        """Do something with it, by a client of redis-py; it takes this for the time. Raises
        RedisError."""
        clock = SimpleNamespace(time=lambda: wall_s)
        with ExitStack() as stack:
            for module in (_helpers, _base, server_mixin):
                stack.enter_context(patch.object(module, "time", clock))
            return act(self._redis)

"""What aiohttp takes from the system, taken from the seed instead, for the length of a run.

Four places, each the only one of its kind in the aiohttp that is pinned: the masks of WebSocket
clients and the shuffling of waiters come from generators that are seeded here; the key of a
WebSocket's handshake and the Date header come from names that are replaced here. Neither is secret
or read by georeg; but bytes on the wire must be the same in each run.
"""

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

from aiohttp import client, web_response
from aiohttp._websocket.writer import WebSocketWriter


@contextmanager
def seeded(seed: int | str, wall_s: Callable[[], float]) -> Iterator[None]:
    """Within it aiohttp has no entropy of its own. `wall_s` is the Date of answers."""
    keys = Random(f"{seed}/websocket-keys")
    masks: Random = inspect.signature(WebSocketWriter.__init__).parameters["random"].default
    masks.seed(f"{seed}/websocket-masks")
    state = random.getstate()
    random.seed(f"{seed}/global")
    tamed_os = SimpleNamespace(urandom=keys.randbytes)

    @lru_cache(maxsize=4)
    def written(second: int) -> str:
        return formatdate(second, usegmt=True)

    def date() -> str:
        return written(int(wall_s()))

    try:
        with (
            patch.object(client, "os", tamed_os),
            patch.object(web_response, "rfc822_formatted_time", date),
        ):
            yield
    finally:
        random.setstate(state)

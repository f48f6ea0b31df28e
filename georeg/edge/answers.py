"""How a handler waits for the region, and how it says yes."""

import asyncio
from typing import Final, TypeVar

from aiohttp import web

from georeg.edge.context import Edge
from georeg.edge.problems import to_json, unavailable
from georeg.region.pending import Pending

T = TypeVar("T")

JSON_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def json_answer(
    document: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A success with a JSON body, which no cache may keep."""
    return web.Response(
        status=status, body=to_json(document), headers=JSON_HEADERS | (headers or {})
    )


def require_joined(edge: Edge) -> None:
    """Raise Problem 503 while the region cannot write yet, a few seconds after its start."""
    if not edge.region.joined:
        raise unavailable("this region is joining", edge.settings.retry_after_s)


async def settled(edge: Edge, pending: Pending[T]) -> T:
    """The value, at once if it is there. Raises Problem 503 when it takes unreasonably long.

    The region has deadlines of its own, far below `answer_ms_max`; this bound only makes sure that
    a mistake there cannot hold requests for ever.
    """
    if pending.value is not None:
        return pending.value
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    pending.then(lambda value: None if future.done() else future.set_result(value))
    # A timer and no `asyncio.timeout`: 3 us less for each start that waits for the store.
    timer = loop.call_later(edge.settings.answer_ms_max / 1000, _give_up, future)
    try:
        return await future
    except TimeoutError:
        raise unavailable(
            "the region did not decide in time", edge.settings.retry_after_s
        ) from None
    finally:
        timer.cancel()


def _give_up(future: asyncio.Future[T]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())

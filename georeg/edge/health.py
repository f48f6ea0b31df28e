"""`/livez`, `/readyz`, `/metrics`: what machines ask. None of them looks at other regions.

If readiness depended on links, one cut would take every region out of service, which is the
opposite of what the cut calls for.
"""

from aiohttp import web

from georeg.edge.answers import json_answer
from georeg.edge.context import Edge
from georeg.edge.metrics import CONTENT_TYPE
from georeg.edge.problems import unavailable


async def livez(_edge: Edge, _request: web.Request) -> web.StreamResponse:
    """200 as long as this process answers at all."""
    return json_answer({"alive": True})


async def readyz(edge: Edge, _request: web.Request) -> web.StreamResponse:
    """200 while this region takes starts; 503 while it joins or drains, or this node leaves."""
    if edge.region.drain.has_effect:
        raise edge.farewell.problem("start")
    if edge.is_leaving:
        raise unavailable("this node is leaving", edge.settings.retry_after_s)
    if not edge.region.ready:
        raise unavailable("this region is joining", edge.settings.retry_after_s)
    return json_answer({"ready": True})


async def metrics(edge: Edge, _request: web.Request) -> web.StreamResponse:
    """200 with the metrics as Prometheus reads them."""
    return web.Response(body=edge.metrics.page(), headers={"Content-Type": CONTENT_TYPE})

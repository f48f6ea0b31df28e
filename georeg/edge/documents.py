"""`/openapi.json` and `/problems/{name}`: the API about itself."""

from aiohttp import web

from georeg.edge.context import Edge
from georeg.edge.problems import KINDS, not_found


async def openapi(edge: Edge, _request: web.Request) -> web.StreamResponse:
    """200 with the OpenAPI document of exactly this server."""
    return web.Response(body=edge.document, headers={"Content-Type": "application/json"})


async def problem_type(_edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 with what a problem's type means, for whoever follows its address."""
    name = request.match_info["name"]
    kind = next((kind for kind in KINDS if kind.name == name), None)
    if kind is None:
        raise not_found("there is no such type of problem")
    text = f"{kind.title} ({kind.status})\n\n{kind.meaning}\n"
    return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})

"""Operators ask any node and hear of the region: in front of the operators' API of one node.

A call about one account goes to the node that runs its slice. Numbers are asked of every node, with
the operator's own key, and added up; a node that does not answer is named in `nodes_missing`. A
drain is begun and ended on all nodes, or the answer says which one has not heard of it.

Invariant: who may not ask one node gets nothing from the others: the node that is asked judges the
key first, and so does each of the others. Few callers, so it costs what it costs.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import astuple, fields
from typing import Any, Final

import msgpack
from aiohttp import web
from aiohttp.typedefs import Handler

from georeg.edge.bodies import BODY, read_body
from georeg.edge.problems import Problem, to_json, unavailable
from georeg.mesh.slices import slice_of_account
from georeg.nodes.addressing import account_in
from georeg.nodes.carrying import Carrying
from georeg.nodes.front import Routes
from georeg.nodes.neighbours import Neighbours
from georeg.nodes.parts import not_here
from georeg.nodes.passing import PASSED_ON
from georeg.nodes.registry import NodeEntry
from georeg.nodes.reports import OTHERS, SlicedReport
from georeg.ops.actions import BODY_MAX
from georeg.region.messages import Vitals
from georeg.region.report import (
    Held,
    Lent,
    QuotaReport,
    RegionReport,
    StatusReport,
    WorstCase,
)
from georeg.region.top import Top

STATUS: Final = "/v1/status"
QUOTA: Final = "/v1/quota"
DRAIN: Final = "/v1/drain"
_ADDED: Final = ("sessions", "grants_held")


class Operators:
    """Between the operators' port of one node and its API."""

    def __init__(
        self,
        routes: Routes,
        neighbours: Neighbours,
        carrying: Carrying,
        report: SlicedReport,
        slices: int,
    ) -> None:
        """`report`: this node's own (reports.py)."""
        self._routes = routes
        self._neighbours = neighbours
        self._carrying = carrying
        self._report = report
        self._slices = slices

    def middleware(self) -> Any:
        """For the operators' app."""

        @web.middleware
        async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await self._dispatch(request, handler)
            except Problem as problem:
                return problem.response()

        return dispatch

    async def _dispatch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_passed_on = PASSED_ON in request.headers
        if (account := account_in(request)) is not None:
            return await self._about_account(request, handler, account)
        if request.path in (STATUS, QUOTA) and request.method == "GET":
            return await (self._said if is_passed_on else self._of_all)(request, handler)
        if request.path == DRAIN and not is_passed_on:
            return await self._drain(request, handler)
        return await handler(request)

    async def _about_account(
        self, request: web.Request, handler: Handler, account: str
    ) -> web.StreamResponse:
        number = slice_of_account(account, self._slices)
        if await self._routes.may_run(number):
            return await handler(request)
        if PASSED_ON in request.headers:
            raise not_here(number)
        await self._routes.look_again()
        node = self._routes.node_of(number)
        if node is None or not node.ops_url:
            raise unavailable("no node answers for this account at the moment", 1)
        body = await read_body(request, BODY_MAX)
        answer = await self._carrying.ask(node.ops_url, request, body)
        if answer is None:
            raise unavailable(f"node {node.name}, which runs this account, does not answer", 1)
        return answer

    async def _said(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """To another node: this one's numbers as values, if the operator may have them."""
        response = await handler(request)
        if response.status != 200:
            return response
        if request.path == STATUS:
            return web.Response(body=packed(self._report.status()))
        walk = self._report.quota()
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return web.Response(body=packed(end.value))
            await asyncio.sleep(0)

    async def _of_all(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The numbers of all nodes, added up by the same handler; others are asked only for those
        who may ask this one."""
        alone = await handler(request)
        if alone.status != 200 or not self._neighbours.others:
            return self._told(alone, [])
        answers = await self._ask_all(request, b"")
        said, missing = [], []
        for entry, answer in answers:
            if answer is None or answer.status != 200:
                missing.append(entry.address.name)
                continue
            try:
                said.append(unpacked(request.path, _body(answer)))
            except (ValueError, TypeError):  # of another release, while a region is upgraded
                missing.append(entry.address.name)
        token = OTHERS.set(tuple(said))
        try:
            response = await handler(request)
        finally:
            OTHERS.reset(token)
        return self._told(response, sorted(missing))

    def _told(self, response: web.StreamResponse, missing: list[str]) -> web.StreamResponse:
        """The answer with the names of those who have not said theirs, as a problem as well."""
        if response.status != 200:
            return response
        more: dict[str, object] = {"nodes_missing": missing}
        document = json.loads(_body(response))
        if "problems" in document:
            problems = [p | {"region": document["view_of"]} for p in self._problems(missing)]
            more["problems"] = [*problems, *document["problems"]]
        return _with(response, more)

    def _problems(self, missing: list[str]) -> Iterator[dict[str, object]]:
        """What is wrong with the nodes or their store, in plain words."""
        if trouble := self._neighbours.trouble:
            detail = f"{trouble}: streams go on, starts say unchecked, no node can be taken over"
            yield {"severity": "critical", "kind": "store", "detail": detail}
        if missing:
            names, their = ", ".join(missing), "its" if len(missing) == 1 else "their"
            detail = f"no answer from {names}: {their} streams are not in these numbers"
            yield {"severity": "warning", "kind": "nodes_missing", "detail": detail}

    async def _drain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Here first; where this node refuses, no other hears of it."""
        body = request[BODY] = await read_body(request, BODY_MAX)
        response = await handler(request)
        if response.status != 200 or not isinstance(response, web.Response):
            return response
        answers = await self._ask_all(request, body)
        missing = [
            entry.address.name
            for entry, answer in answers
            if answer is None or answer.status != 200
        ]
        if missing and request.method != "GET":
            names = ", ".join(missing)
            raise unavailable(f"done here, but {names} did not hear of it or refused: repeat it", 1)
        told = [json.loads(_body(answer)) for _, answer in answers if answer is not None]
        here = json.loads(_body(response))
        added = {key: here[key] + sum(each[key] for each in told) for key in _ADDED}
        return _with(response, {**added, "nodes_missing": sorted(missing)})

    async def _ask_all(
        self, request: web.Request, body: bytes
    ) -> list[tuple[NodeEntry, web.Response | None]]:
        """The same of every other node that does not leave."""
        await self._routes.look_again()
        others = [entry for entry in self._neighbours.others if not entry.is_leaving]
        answers = await asyncio.gather(*(self._ask(entry, request, body) for entry in others))
        return list(zip(others, answers, strict=True))

    async def _ask(
        self, entry: NodeEntry, request: web.Request, body: bytes
    ) -> web.Response | None:
        address = entry.address
        if not address.ops_url:
            return None
        answer = await self._carrying.ask(address.ops_url, request, body)
        return answer if isinstance(answer, web.Response) else None


def _body(response: web.StreamResponse) -> bytes:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    return response.body


def _with(response: web.StreamResponse, more: dict[str, object]) -> web.StreamResponse:
    """A JSON answer with further members; a problem as it is."""
    if response.status != 200:
        return response
    document = json.loads(_body(response)) | more
    return web.Response(
        body=to_json(document), headers={"Content-Type": "application/json"}
    )


def packed(report: StatusReport | QuotaReport) -> bytes:
    """A report for another node of the same release."""
    values: bytes = msgpack.packb(astuple(report))
    return values


def unpacked(path: str, data: bytes) -> StatusReport | QuotaReport:
    """What `packed` made, for the call of this path."""
    values = msgpack.unpackb(data, strict_map_key=False)
    if path == STATUS:
        region, wall_ms, regions, recent, *_ = values  # of a static election
        return StatusReport(region, wall_ms, tuple(_region(one) for one in regions), recent)
    region, wall_ms, held, lent, worst_case, overdraft, refused, overdrawn = values
    return QuotaReport(
        region,
        wall_ms,
        tuple(Held(*each) for each in held),
        tuple(Lent(*each) for each in lent),
        WorstCase(*worst_case),
        overdraft,
        tuple(Top(*each) for each in refused),
        tuple((account, count) for account, count in overdrawn),
    )


def _region(values: list[Any]) -> RegionReport:
    named = dict(zip((field.name for field in fields(RegionReport)), values, strict=True))
    if named["vitals"] is not None:
        named["vitals"] = Vitals(*named["vitals"])
    return RegionReport(**named)

"""Regions of `tests/edge/world.py`, each with its operators' API on a port of its own."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from crdt.dots import RegionId
from georeg.cli.main import main
from georeg.edge.tokens import key_id
from georeg.ops.app import create_ops_app
from georeg.ops.audit import Audit
from georeg.ops.context import KeyInUse, Ops
from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.keys import May, OperatorKey, OperatorKeys, mint_operator_key
from georeg.ops.server import OpsServer
from tests.edge.world import KEY, Answer, World

ANN, ANN_HASH = mint_operator_key("ann", Random(2).randbytes)
BOB, BOB_HASH = mint_operator_key("bob", Random(3).randbytes)
OPERATORS = (
    OperatorKey("ann", ANN_HASH, May.OPERATE),
    OperatorKey("bob", BOB_HASH, May.READ),
)


@dataclass
class OpsWorld(World):
    """`ann` may operate, `bob` may read. `audit`: the lines of all regions, in order."""

    audit: list[dict[str, Any]] = field(default_factory=list)
    audit_error: OSError | None = None
    ops_servers: dict[str, OpsServer] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        urls: dict[RegionId, str] = {}
        for number, region in self.regions.items():
            ops = Ops(
                region,
                self.clock,
                OperatorKeys(OPERATORS),
                Audit(self._audit(), self.clock.wall_ms, region=region.name, cluster="test"),
                "test",
                ops_urls=urls,
                rings={"session": (KeyInUse(f"{key_id(KEY):04x}", True, lambda: 0),)},
            )
            server = OpsServer(create_ops_app(ops, DRAIN_ROUTES), "127.0.0.1", 0)
            await server.start()
            self.ops_servers[region.name] = server
            urls[number] = f"http://127.0.0.1:{server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self.ops_servers.values():
            await server.stop()
        await super().__aexit__()

    def _audit(self) -> Callable[[str], None]:
        def write(line: str) -> None:
            if self.audit_error is not None:
                raise self.audit_error
            self.audit.append(json.loads(line))

        return write

    def ops_url(self, region: str = "us") -> str:
        return f"http://127.0.0.1:{self.ops_servers[region].port}"

    async def ask(
        self, method: str, path: str, *, key: str | None = ANN, region: str = "us", **kwargs: Any
    ) -> Answer:
        """One call of an operator."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        url = self.ops_url(region) + path
        async with self.session.request(method, url, headers=headers, **kwargs) as response:
            return Answer(response.status, await response.json(), response.headers)

    async def georeg(self, *arguments: str, key: str = ANN, region: str = "us") -> int:
        """The exit code of a command that asks a region."""
        given = [*arguments, "--to", self.ops_url(region), "--key", key]
        return await asyncio.to_thread(main, given)

    async def started(self, account: str, device: str, region: str = "us", plan: str = "") -> str:
        """The id of a session that was started."""
        body: dict[str, Any] = {"device": {"id": device, "name": f"{device} of {account}"}}
        if plan:
            body["plan"] = plan
        path = f"/v1/accounts/{account}/sessions"
        answer = await self.while_time_passes(
            self.call("POST", path, region=region, json=body)
        )
        assert answer.status == 201, answer.body
        return str(answer.body["session"]["id"])

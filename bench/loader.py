"""The load generator as a part uses it: one job at a time, against one server or several nodes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench.processes import Server, end, spawn
from bench.scale import Scale

_STARTS_HZ: Final = 20_000
"""More starts a second than any server here takes are made ready."""
_GOOD: Final = ("200", "201", "204")

class Loader:
    """The load generator's process."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._process = spawn("bench.load")
        self._ask(None)

    def prepare(self, servers: Server | Sequence[Server], sessions: int = 0) -> None:
        """Start the sessions whose heartbeats will be sent; 0: as many as the scale says."""
        count = sessions or self._scale.http_sessions
        self.run(servers, "prepare", requests=count, warm_s=0.0, round_s=600.0)

    def run(
        self,
        servers: Server | Sequence[Server],
        kind: str,
        *,
        store: Sequence[Server] = (),
        owners: Sequence[int] = (),
        **more: Any,
    ) -> dict[str, Any]:
        """One round against a server, or the nodes of one region, whose CPU time is added up.

        `store`: whose CPU time is counted apart. `owners`: the port of the node that runs each
        slice, to send it what is its own. Raises RuntimeError when an answer was not a success.
        """
        scale = self._scale
        nodes = [servers] if isinstance(servers, Server) else servers
        ports = [node.port for node in nodes]
        job = {
            "kind": kind,
            "ports": ports,
            "pids": [node.pid for node in nodes],
            "store_pids": [each.pid for each in store],
            "owners": owners,
            "connections": scale.connections,
            "warm_s": scale.warm_s,
            "round_s": scale.round_s,
            "requests": int(_STARTS_HZ * (scale.warm_s + scale.round_s)),
            "batch_tokens": scale.batch_tokens,
        } | more
        result = self._ask(job)
        bad = {s: n for s, n in result["statuses"].items() if s not in _GOOD}
        if bad:
            raise RuntimeError(f"{kind} against {ports} was answered {bad}")
        return result

    def close(self) -> None:
        """End the process."""
        end(self._process)

    def _ask(self, job: dict[str, Any] | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if job is not None:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended: see above")
        answer: dict[str, Any] = {} if job is None else json.loads(line)
        return answer


@contextmanager
def loading(scale: Scale) -> Iterator[Loader]:
    """A load generator until the block ends."""
    loader = Loader(scale)
    try:
        yield loader
    finally:
        loader.close()

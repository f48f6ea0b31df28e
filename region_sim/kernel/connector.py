"""How aiohttp dials in a simulated world: the seam that aiohttp's own UnixConnector uses."""

import asyncio

from aiohttp import ClientConnectorError, ClientRequest, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector
from aiohttp.helpers import ceil_timeout
from aiohttp.tracing import Trace

from region_sim.kernel.machine import Machine


class SimConnector(BaseConnector):
    """Dials from one host of the simulated network. Made on the running machine."""

    def __init__(self, machine: Machine, source: str) -> None:
        # No keep-alive timeout: aiohttp would measure it on the system's clock.
        super().__init__(loop=machine, limit=0, keepalive_timeout=None)
        self._machine = machine
        self._source = source

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],  # noqa: ARG002 - of aiohttp's interface
        timeout: ClientTimeout,
    ) -> ResponseHandler:
        assert req.url.host is not None
        assert req.url.port is not None
        try:
            async with ceil_timeout(timeout.sock_connect, timeout.ceil_threshold):
                _, protocol = await self._machine.create_connection(
                    self._factory, req.url.host, req.url.port, source=self._source
                )
        except OSError as error:
            if error.errno is None and isinstance(error, asyncio.TimeoutError):
                raise
            raise ClientConnectorError(req.connection_key, error) from error
        assert isinstance(protocol, ResponseHandler)
        return protocol

    def __del__(self, _warnings: object = None) -> None:
        """A killed process closes nothing: no warning."""

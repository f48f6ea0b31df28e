"""Listening: the operators' API on its own port, with small limits; it has few callers."""

from typing import Final

from aiohttp import web

SHUTDOWN_S: Final = 2.0
KEEPALIVE_S: Final = 15.0
LINE_BYTES_MAX: Final = 8_190
HEADERS_MAX: Final = 64


class OpsServer:
    """One region's operators' API on one address."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        runner = web.AppRunner(
            self._app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    @property
    def port(self) -> int:
        """The port that is listened on; the real one where 0 was asked for."""
        assert self._runner is not None, "not started"
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Let running calls end, close. Harmless when not started or stopped."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

"""A store per region, none of which knows of the others.

Each region enforces the limit on what plays in it; no byte crosses between regions. A session that
roams is adopted by the region that it comes to, since its token proves that it was admitted; the
region that it left counts it until its lease runs out.

What the design gives: every call is answered at once, whatever happens elsewhere. What it gives up:
P regions admit P x L streams at any time, no fault needed; a kick, a stop or a list reaches only
the region that it is sent to, so who stops in another region than he started in, blocks himself for
one lease, and the screen that the viewer wants to end may not even be in the list.
"""

from aiohttp import web

from region_sim.baselines.service import Service, listen
from region_sim.baselines.setup import Setup


class Independent:
    """One region with a store of its own."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._service = Service(setup, setup.disk.open(setup.settings, setup.clock, setup.random))
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._runner = await listen(self._service.routes(), self._setup.host, self._setup.port)

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when not started."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def drain(self, *, is_on: bool = True) -> None:
        """Take no more starts."""
        self._service.is_draining = is_on

"""The links between regions: one Toxiproxy proxy per ordered pair, and what faults do to them.

Each region dials each other one, and its connection carries its own messages there; back come only
the handshake and pongs (georeg/mesh/link.py). The dialling side's peer url is its own proxy, so the
proxy `us__to__eu__mesh` is the link us>eu and no other.

How faults map, with what Toxiproxy 2.12 does to bytes that are on their way:

| fault on a>b | in Toxiproxy | bytes |
|---|---|---|
| cut drop | `timeout` 0 on both streams of a__to__b | swallowed; at the end the connection closes |
| cut reject | a__to__b disabled: connections close, new ones are refused | lost |
| lag, narrow | `latency`, `bandwidth` on the bytes from a to b | all arrive, in order |
| stall | `latency` of an hour on the bytes from a to b, then removed | all at once, in order |

"The bytes from a to b" are the upstream of a__to__b and the downstream of b__to__a, where a's pongs
go. A cut is one of messages instead: were b's own connection deaf too, b would give it up, and
every one-way cut would soon be a full one. `timeout` cannot stall, since removing it closes the
connection (it must: a TCP stream has no holes). Bandwidth comes in whole KB/s, latency in whole ms.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import NotFound

from georeg.cli.demo.ports import HOST
from region_sim.live.errors import LiveError
from region_sim.live.toxiproxy import ToxiproxyServer
from region_sim.plan.faults import Fault, FaultKind

Pair = tuple[str, str]
UP: Final = "upstream"
"""From the side that dials to the side that listens."""
DOWN: Final = "downstream"
HELD_MS: Final = 3_600_000
"""Longer than any run: what a stall holds comes free when the toxic goes, not before."""
_HARMLESS: Final = {"latency": {"latency": 0, "jitter": 0}, "bandwidth": {"rate": 1_000_000}}
_DRAIN_S: Final = 0.05
"""For what was held to leave, and for connections that are dead to be found so."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """One toxic on one stream of one proxy."""

    pair: Pair
    stream: str
    kind: str
    attributes: tuple[tuple[str, int], ...]

    def named(self, purpose: str) -> str:
        """Its name in Toxiproxy, which is unique on its proxy while purposes are."""
        return f"{purpose}_{self.kind}_{self.stream}"


def proxy_name(pair: Pair) -> str:
    """What the proxy of an ordered pair of regions is called."""
    return f"{pair[0]}__to__{pair[1]}__mesh"


def toxics_of(fault: Fault) -> tuple[Toxic, ...]:
    """The toxics that a fault of links puts on them."""
    found: list[Toxic] = []
    for a, b in fault.links:
        if fault.kind is FaultKind.CUT:
            if fault.how == "drop":
                found += [Toxic((a, b), way, "timeout", (("timeout", 0),)) for way in (UP, DOWN)]
            continue
        if fault.kind is FaultKind.NARROW:
            found += _on_bytes(a, b, "bandwidth", rate=max(1, round(fault.amount / 1000)))
        else:
            assert fault.kind in (FaultKind.LAG, FaultKind.STALL), f"{fault.kind} is for no link"
            is_lag = fault.kind is FaultKind.LAG
            latency_ms = round(fault.amount * 1000) if is_lag else HELD_MS
            found += _on_bytes(a, b, "latency", latency=latency_ms, jitter=0)
    return tuple(found)


def _on_bytes(a: str, b: str, kind: str, **attributes: int) -> list[Toxic]:
    """A toxic on all bytes from a to b."""
    places = (((a, b), UP), ((b, a), DOWN))
    return [Toxic(pair, stream, kind, tuple(attributes.items())) for pair, stream in places]


def closed_by(fault: Fault) -> tuple[Pair, ...]:
    """The links that a fault closes altogether."""
    is_reject = fault.kind is FaultKind.CUT and fault.how == "reject"
    return fault.links if is_reject else ()


class Links:
    """All links of a cluster. `open` first; `close` leaves no proxy behind."""

    def __init__(self, server: ToxiproxyServer) -> None:
        self._server = server
        self._proxies: dict[Pair, Any] = {}
        """toxiproxy.Proxy, which has no types."""
        self._closed: dict[Pair, set[str]] = {}
        """Which purposes keep a link closed now; it opens when none is left."""

    async def open(self, ports: Mapping[Pair, tuple[int, int]]) -> None:
        """Make the proxies; `ports`: where each listens, and where its region does."""

        def work() -> None:
            for pair, (listen, upstream) in ports.items():
                self._proxies[pair] = self._server.api.create(
                    name=proxy_name(pair),
                    listen=f"{HOST}:{listen}",
                    upstream=f"{HOST}:{upstream}",
                    enabled=True,
                )
                self._closed[pair] = set()

        await self._server.call(work)

    async def stretch(self, one_way_us: Mapping[Pair, int], jitter: float) -> None:
        """Give the links their usual length for good; less than half a millisecond is none."""
        toxics = [
            toxic
            for (a, b), latency_us in one_way_us.items()
            if (ms := round(latency_us / 1000)) > 0
            for toxic in _on_bytes(a, b, "latency", latency=ms, jitter=round(ms * jitter))
        ]
        await self._server.call(lambda: self._add(toxics, "world"))

    async def begin(self, fault: Fault, purpose: str) -> None:
        """Put a fault on its links. Raises LiveError when Toxiproxy does not do it."""

        def work() -> None:
            self._add(toxics_of(fault), purpose)
            for pair in closed_by(fault):
                self._closed[pair].add(purpose)
                self._switch(pair)

        await self._server.call(work)

    async def end(self, fault: Fault, purpose: str) -> None:
        """Take a fault off again, also one that began only in part."""

        def work() -> None:
            self._remove(toxics_of(fault), purpose)
            for pair in closed_by(fault):
                self._closed[pair].discard(purpose)
                self._switch(pair)

        await self._server.call(work)

    async def close(self) -> None:
        """Remove all proxies, whatever is on them."""
        await self._server.call(self._server.api.destroy_all)
        self._proxies.clear()

    async def troubles(self) -> list[str]:
        """Names of the faults that are on the links now; those of the world are none."""

        def work() -> list[str]:
            found = []
            for pair, proxy in self._proxies.items():
                name = proxy_name(pair)
                found += [f"{name} {toxic}" for toxic in proxy.toxics() if "world" not in toxic]
                if not self._is_open(name):
                    found.append(f"{name} closed")
            return found

        return await self._server.call(work)

    def _add(self, toxics: Sequence[Toxic], purpose: str) -> None:
        for toxic in toxics:
            self._proxies[toxic.pair].add_toxic(
                name=toxic.named(purpose),
                type=toxic.kind,
                stream=toxic.stream,
                toxicity=1.0,
                attributes=dict(toxic.attributes),
            )
        self._check(toxics, purpose, should_be_there=True)

    def _remove(self, toxics: Sequence[Toxic], purpose: str) -> None:
        """Take toxics off, those that are on."""
        holding = [toxic for toxic in toxics if toxic.kind in _HARMLESS]
        for toxic in holding:
            with suppress(NotFound):  # the library has no call for an update but its own plumbing
                APIConsumer.post(
                    f"/proxies/{proxy_name(toxic.pair)}/toxics/{toxic.named(purpose)}",
                    json={"attributes": _HARMLESS[toxic.kind]},
                )
        if holding:
            time.sleep(_DRAIN_S)
        for toxic in toxics:
            with suppress(NotFound):
                self._proxies[toxic.pair].destroy_toxic(toxic.named(purpose))
        self._check(toxics, purpose, should_be_there=False)

    def _check(self, toxics: Sequence[Toxic], purpose: str, *, should_be_there: bool) -> None:
        # The library raises for what is wrong with a request, not for what failed in the server.
        there = {pair: self._proxies[pair].toxics() for pair in {toxic.pair for toxic in toxics}}
        for toxic in toxics:
            if (toxic.named(purpose) in there[toxic.pair]) is not should_be_there:
                verb = "put on" if should_be_there else "take off"
                raise LiveError(f"Toxiproxy did not {verb} {toxic.kind}, {proxy_name(toxic.pair)}")

    def _switch(self, pair: Pair) -> None:
        """Open or close a link as its purposes have it."""
        proxy, name = self._proxies[pair], proxy_name(pair)
        should_be_open = not self._closed[pair]
        if should_be_open:
            proxy.enable()
        else:
            proxy.disable()
        if self._is_open(name) is not should_be_open:
            raise LiveError(
                f"Toxiproxy did not {'open' if should_be_open else 'close'} {name}; is its port "
                f"{proxy.listen} taken by something else?"
            )

    def _is_open(self, name: str) -> bool:
        return bool(self._server.api.get_proxy(name).enabled)

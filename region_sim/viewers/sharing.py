"""A token in two hands: a second device heartbeats the session of the first, from its own place.

Its heartbeats are marked `cloned`: they keep a session alive that its own device may have left. It
takes the tokens that its answers hand out, as the other device takes its own.
"""

from asyncio import sleep

from region_sim.viewers.calls import Caller, Token
from region_sim.viewers.street import Street


async def share(street: Street, caller: Caller, token: Token) -> None:
    """Heartbeat for a while, at a pace of its own, until told that the session is over."""
    region = caller.place
    for_s = street.heartbeats(1, street.habits.share_beats)
    until_us = street.town.now_us() + round(for_s * 1e6)
    while street.town.now_us() < until_us:
        await sleep(street.heartbeats(0.3, 1))
        if street.is_quiet:
            return  # a session that two regions hear in turn moves to and fro for ever
        call = await street.calls.heartbeat(caller, region, token, {"cloned": True})
        if call.status in (401, 410):
            return
        if call.status == 200:
            token = token.after(call)
        else:
            region = street.next_region(region)

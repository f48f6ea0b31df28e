"""A device gone mad: it presses play a hundred times a second for a while, and plays nothing.

Each start that is admitted takes the place of the one before; what the last one leaves is written
down as gone. Beyond the account's rate the region answers 429.
"""

import json
from asyncio import sleep
from typing import Final

from region_sim.viewers.calls import Caller
from region_sim.viewers.passport import Passport
from region_sim.viewers.starting import session_of
from region_sim.viewers.street import Street

GAP_S: Final = 0.01
STARTS: Final = 500


async def flood(street: Street, passport: Passport, device: str, region: str) -> None:
    """All presses of one fit; none waits for the answer to another."""
    caller = Caller(passport.account, device, region)
    body = json.dumps({"device": {"id": device, "name": device, "kind": "tv"}}).encode()

    async def press() -> None:
        call = await street.calls.start(
            caller, region, passport.start_headers(), body,
            {"plan": passport.plan, "limit": passport.limit},
        )  # fmt: skip
        if call.status == 201:
            street.gone(passport.account, device, session_of(call))

    for _ in range(STARTS):
        if street.is_quiet:
            return
        street.send_off(press())
        await sleep(GAP_S)

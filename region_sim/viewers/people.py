"""What the people of a household do apart from watching: they kick sessions and change their plan.

A plan changes at one moment for everybody who knows the household: from then on its entitlements
say the new one; that its backend tells a region too is only faster, and may fail. So a higher limit
holds from that moment on, and is written down then; a lower one is written down when the call was
answered (or given up), since until then either limit may be found in force.
"""

from asyncio import sleep
from typing import Final

from georeg.edge.instants import instant
from region_sim.history import Joined
from region_sim.viewers.calls import Caller
from region_sim.viewers.passport import LIMITS, Passport
from region_sim.viewers.starting import is_lost
from region_sim.viewers.street import Street

TRIES: Final = 3
ELSEWHERE: Final = 0.3
"""Share of lists and kicks that go to another region than the one next to the person."""
PLAN_LEAD_S: Final = 0.002
"""The backend's word is dated after the last entitlement of the old plan, also in milliseconds."""


async def kick(street: Street, passport: Passport, device: str, place: str) -> None:
    """Look who plays, and end one of them; try again elsewhere when nobody answers."""
    caller = Caller(passport.account, device, place)
    listing = await street.calls.list(caller, _asked(street, place), passport.headers())
    sessions = [str(session["id"]) for session in listing.body.get("sessions", ())]
    if listing.status != 200 or not sessions:
        return
    session = street.random.choice(sessions)
    await sleep(street.seconds(0.2, 2))
    region = _asked(street, place)
    for _ in range(TRIES):
        if street.is_quiet:
            return
        call = await street.calls.kick(caller, region, session, passport.headers())
        if not is_lost(call):
            return
        region = street.next_region(region)
        await sleep(street.seconds(0.2, 1))


async def change_plan(street: Street, passport: Passport, plan: str) -> None:
    """Take another plan, and let the backend tell a region."""
    was = passport.limit
    passport.change(plan)
    if passport.limit > was:
        note_plan(street, passport)
    await sleep(PLAN_LEAD_S)
    issued_at = instant(street.town.wall_ms())
    caller, region = Caller(passport.account, "", street.anywhere()), street.anywhere()
    request = {"plan": plan, "limit": passport.limit, "was": was}
    for _ in range(TRIES):
        call = await street.calls.plan(caller, region, issued_at, dict(request))
        if not is_lost(call):
            break
        region = street.next_region(region)
        await sleep(street.seconds(0.2, 1))
    if passport.limit < was:
        note_plan(street, passport)


def note_plan(street: Street, passport: Passport) -> None:
    """Write down that the account's limit is this from now on."""
    plan = passport.plan
    joined = Joined(street.town.now_us(), passport.account, plan, LIMITS[plan], passport.home)
    street.history.joined.append(joined)


def _asked(street: Street, place: str) -> str:
    return street.elsewhere(place) if street.chance(ELSEWHERE) else place

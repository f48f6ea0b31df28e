"""Whether real regions say the same, and later nothing at all, asked as any caller could ask.

What is compared are the lists of every account in every region (which sessions, on which device,
held by which region) and, for emptiness, the regions' own gauges. Ages and states are left out:
only the holder knows a session's heartbeats. One look takes a moment during which sessions may
come and go, so a difference counts only when it stays until the limit.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import aiohttp

from georeg.cli.demo.gauges import fetch_numbers
from region_sim.history import Convergence
from region_sim.live.town import LiveTown

POLL_S: Final = 0.2
_AT_ONCE: Final = 32
_PROBLEMS_MAX: Final = 12
_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
Listed = frozenset[tuple[str, str, str]]
"""Sessions of one account: id, device, region that holds it."""
Look = Callable[[], Coroutine[Any, Any, list[str]]]


async def settle(
    look: Look, *, healed_us: int, limit_us: int, now_us: Callable[[], int]
) -> Convergence:
    """Look until nothing is wrong or the limit is over. `limit_us`: a time, not a duration."""
    while True:
        problems = await look()
        at_us = now_us()
        if not problems or at_us >= limit_us:
            return Convergence(
                at_us,
                healed_us,
                limit_us,
                tuple(problems[:_PROBLEMS_MAX]),
                None if problems else at_us,
            )
        await asyncio.sleep(POLL_S)


async def differences(town: LiveTown, accounts: Sequence[str]) -> list[str]:
    """In words, after the promise, where the regions' lists differ; empty: they agree."""
    first, *others = town.regions
    return [
        f"P7 {account}: {_words(views[first])} in {first}'s list, {_words(views[region])} in "
        f"{region}'s"
        for account, views in (await _all_views(town, accounts)).items()
        for region in others
        if views[region] is None or views[region] != views[first]
    ]


async def leftovers(town: LiveTown, accounts: Sequence[str]) -> list[str]:
    """In words, after the promise, what is there although all have gone; empty: nothing."""
    problems = [
        f"P6 {account}: {region} still lists {_words(view)}"
        for account, views in (await _all_views(town, accounts)).items()
        for region, view in views.items()
        if view is None or view
    ]
    for region in town.regions:
        numbers = await fetch_numbers(town.lines(region), town.address(region))
        if numbers is None:
            problems.append(f"P6 {region} does not show its metrics")
        elif numbers.sessions or numbers.sessions_known or numbers.overdraft:
            problems.append(
                f"P6 {region} counts {numbers.sessions} sessions here, "
                f"{numbers.sessions_known} known, {numbers.overdraft} in overdraft"
            )
    return problems


async def _all_views(
    town: LiveTown, accounts: Sequence[str]
) -> dict[str, dict[str, Listed | None]]:
    """What every region lists of every account; None: it did not answer."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(account: str, region: str) -> Listed | None:
        async with gate:
            return await _list(town, account, region)

    places = [(account, region) for account in accounts for region in town.regions]
    found = await asyncio.gather(*(one(*place) for place in places))
    views: dict[str, dict[str, Listed | None]] = {account: {} for account in accounts}
    for (account, region), listed in zip(places, found, strict=True):
        views[account][region] = listed
    return views


async def _list(town: LiveTown, account: str, region: str) -> Listed | None:
    url = f"{town.address(region)}/v1/accounts/{account}/sessions"
    try:
        async with town.lines(region).get(url, headers=town.backend(), timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                return None
            body = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    return frozenset(
        (session["id"], session["device"]["id"], session["region"]) for session in body["sessions"]
    )


def _words(listed: Listed | None) -> str:
    if listed is None:
        return "no answer"
    if not listed:
        return "nothing"
    return ", ".join(
        f"{session} on {device} in {region}" for session, device, region in sorted(listed)
    )

"""Whether the regions hold the same, and whether anything is left: a look inside from outside."""

from collections.abc import Mapping

from crdt.dots import SHARDS
from crdt.events import HomeSet
from crdt.versions import NEWEST
from georeg.region.region import Region

Heads = dict[str, list[tuple[int, int]]]
"""Region -> (incarnation, position of its own log) of each shard."""


def heads(regions: Mapping[str, Region]) -> Heads:
    """How far the regions have written."""
    return {
        name: [(region._state.incarnation, s.log.top) for s in region._state.shards]
        for name, region in sorted(regions.items())
    }


def behind(known: Heads, regions: Mapping[str, Region]) -> list[str]:
    """In words, which region has not heard yet what had been written then."""
    problems = []
    for name, region in sorted(regions.items()):
        for other, positions in sorted(known.items()):
            number = next((n for n, of in region.names.items() if of == other), region.id)
            if number == region.id:
                continue
            lacking = [
                index
                for index in range(SHARDS)
                if region._state.shards[index].position(number) < positions[index]
            ]
            if lacking:
                problems.append(f"P7 {name} lacks events of {other} in {len(lacking)} shards")
    return problems


def disagreements(regions: Mapping[str, Region]) -> list[str]:
    """In words, which region lacks what of which other one. Equal positions mean equal state."""
    problems = []
    for name, region in sorted(regions.items()):
        for other_name, other in sorted(regions.items()):
            if name == other_name:
                continue
            lacking = [
                index
                for index in range(SHARDS)
                if region._state.shards[index].position(other.id)
                != (other._state.incarnation, other._state.shards[index].log.top)
            ]
            if lacking:
                problems.append(
                    f"P7 {name} lacks events of {other_name} in {len(lacking)} shards, the first "
                    f"is {lacking[0]}"
                )
            elif strange := _homes(region, other) - _homes(other, region):
                problems.append(
                    f"P7 {name} and {other_name} differ about the home of {min(strange).account}"
                )
        mismatches = region._state.counters.get("state_mismatches", 0)
        if mismatches:
            problems.append(f"P7 {name} met {mismatches} equal positions with unequal state")
    return problems


def _homes(region: Region, other: Region) -> set[HomeSet]:
    """Where the homes have moved, as a region knows it and could tell another one."""
    link = region._replication.links.get(other.id)
    if link is None or link.version != NEWEST:
        return set()
    return {move for shard in region._state.shards for move in shard.accounts.moved()}


def held_twice(regions: Mapping[str, Region], sessions: Mapping[int, str]) -> list[str]:
    """Sessions (with their accounts) that more than one region holds."""
    problems = []
    for session, account in sorted(sessions.items()):
        holders = [
            name
            for name, region in sorted(regions.items())
            if region._state.held(account, session) is not None
        ]
        if len(holders) > 1:
            problems.append(f"P7 a session of {account} is held by {', '.join(holders)}")
    return problems


def leftovers(regions: Mapping[str, Region]) -> list[str]:
    """In words, what is left although every device has gone and every lease is over."""
    problems = []
    for name, region in sorted(regions.items()):
        status = region.status()
        if status.sessions:
            problems.append(f"P6 {name} still holds {status.sessions} sessions")
        if status.sessions_known:
            problems.append(f"P6 {name} still sees {status.sessions_known} sessions")
        if status.grants_lent:
            problems.append(f"P6 {name} has {status.grants_lent} slots lent out")
        if status.overdraft:
            problems.append(f"P6 {name} counts an overdraft of {status.overdraft}")
        if region._home._requests or region._asking._open:
            problems.append(f"P6 {name} has requests that never ended")
    return problems

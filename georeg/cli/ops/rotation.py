"""The rotation of a key ring as steps, and whether an old key is still needed. Pure.

Invariant: a key is never let go while a region lacks the one that follows it, while a region still
signs with it, or, for session keys, while a token that it signed may be alive.
"""

from datetime import datetime
from typing import NamedTuple

from georeg.cli.ops.client import Json
from georeg.cli.ops.words import duration

RINGS = ("cluster", "session")


class Step(NamedTuple):
    """One step of a rotation."""

    what: str
    state: str
    """done, next or later."""
    details: tuple[str, ...] = ()


def _ids(answer: Json, ring: str) -> list[str]:
    return [key["id"] for key in answer["rings"].get(ring, ())]


def known_ids(ring: str, answers: dict[str, Json]) -> list[str]:
    """The ids of all keys of a ring that any region has."""
    return sorted({key for answer in answers.values() for key in _ids(answer, ring)})


def steps(
    ring: str, new: str | None, answers: dict[str, Json], unreachable: dict[str, str]
) -> list[Step]:
    """The steps of a rotation to the key `new`, with what is done; None: it is not made yet.

    The rings alone do not say which key is new: half way in, adding looks like removing backwards.
    """
    old = [key for key in known_ids(ring, answers) if key != new]
    lack = [name for name, answer in answers.items() if new not in _ids(answer, ring)]
    not_first = [name for name, answer in answers.items() if _ids(answer, ring)[:1] != [new]]
    blind = tuple(f"{name} was not looked at: {why}" for name, why in sorted(unreachable.items()))
    done = [
        new is not None,
        new is not None and not lack and not unreachable,
        new is not None and not not_first and not unreachable,
    ]
    shown = new or "the new one"
    missing = (f"still without it: {', '.join(lack)}",) if new and lack else ()
    behind = (f"still signing with another: {', '.join(not_first)}",) if new and not_first else ()
    whats: list[tuple[str, tuple[str, ...]]] = [
        (f"make a key: georeg keygen {ring}", ()),
        (
            f"add {shown} as the LAST [[keys.{ring}]] in every region's config, SIGHUP each",
            (*missing, *blind),
        ),
        (f"move {shown} to the FRONT in every region's config, SIGHUP each", behind),
    ]
    if ring == "session":
        limit_s = max(answer["session_limit_s"] for answer in answers.values())
        whats.append((f"wait {duration(limit_s)}: as long as a token of the old key may live", ()))
        done.append(done[-1] and not any(_waits(ring, key, answers) for key in old))
    done.append(done[-1] and not old)
    named = ", ".join(old) if new and old else "the old one"
    check = f"georeg keys rotate {ring} --drop {old[0] if new and old else 'OLD_ID'}"
    whats.append((f"remove {named} in every region's config, SIGHUP each; ask first: {check}", ()))
    next_at = next((at for at, is_done in enumerate(done) if not is_done), len(done))
    return [
        Step(what, "done" if at < next_at else "next" if at == next_at else "later", details)
        for at, (what, details) in enumerate(whats)
    ]


def obstacles(
    ring: str, drop: str, answers: dict[str, Json], unreachable: dict[str, str]
) -> list[str]:
    """Why a key must not be removed now; empty: it may."""
    found = [f"{name} was not looked at: {why}" for name, why in sorted(unreachable.items())]
    firsts: dict[str, str] = {}
    for name, answer in answers.items():
        ids = _ids(answer, ring)
        if ids[:1] == [drop]:
            found.append(f"{name} signs with it: move the new key to the front there first")
        elif ids:
            firsts[name] = ids[0]
    if not any(drop in _ids(answer, ring) for answer in answers.values()):
        known = ", ".join(known_ids(ring, answers))
        return [f"no region has a {ring} key {drop}; known are {known}"]
    for signing in sorted(set(firsts.values())):
        lacks = [name for name, answer in answers.items() if signing not in _ids(answer, ring)]
        if lacks:
            found.append(f"{', '.join(lacks)} has not got {signing}, which others sign with")
    if ring == "session":
        found += _waits(ring, drop, answers)
    return found


def _waits(ring: str, key: str, answers: dict[str, Json]) -> list[str]:
    """Regions where a token of the key may be alive: it was first there less than a life ago.

    `in_use_since` is when the region last took other keys, or began.
    """
    found = []
    for name, answer in answers.items():
        since = datetime.fromisoformat(answer["in_use_since"])
        age_s = (datetime.fromisoformat(answer["at"]) - since).total_seconds()
        left_s = answer["session_limit_s"] - age_s
        if left_s > 0 and key in _ids(answer, ring):
            found.append(
                f"{name} has signed with another key for {duration(age_s)} at least: tokens of "
                f"{key} may live for {duration(left_s)} more"
            )
    return found

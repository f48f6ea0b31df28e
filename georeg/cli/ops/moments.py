"""Decisions of several regions in the order of time, and what held at one moment. Pure.

Times are each region's own wall clock: two regions whose clocks differ may seem to answer before
they were asked. Milliseconds since 1970 inside, RFC 3339 in the answers.
"""

from datetime import UTC, datetime
from typing import Final

from georeg.cli.ops.client import Json
from georeg.edge.instants import instant, parse_instant

ECHO_MS: Final = 3_000
"""What another region hears this soon after it was done is no news."""
_DONE: Final = {
    "heard_kick": {"kicked"},
    "heard_stop": {"ended", "stop_passed_on"},
    "home_taken": {"home_given"},
}
_BEGINS: Final = {"admitted", "revived", "adopted"}
_ENDS: Final = {"kicked", "heard_kick", "ended", "moved", "heard_stop"}


def in_order(answers: dict[str, Json]) -> list[Json]:
    """All decisions by time; each says which region decided it (`decided_by`)."""
    told = [
        {"decided_by": name, **decision}
        for name, answer in answers.items()
        for decision in answer["decisions"]
    ]
    return sorted(told, key=lambda one: str(one["at"]))  # stable: a region's own order stays


def without_echoes(decisions: list[Json]) -> list[Json]:
    """Without what a region only heard of, when who did it says so itself at the same time."""
    done: dict[tuple[str, str | None], list[int]] = {}
    for one in decisions:
        done.setdefault((one["kind"], one["session"]), []).append(at_ms(one))

    def is_echo(one: Json) -> bool:
        return any(
            abs(at_ms(one) - when_ms) <= ECHO_MS
            for kind in sorted(_DONE.get(one["kind"], ()))
            for when_ms in done.get((kind, one["session"]), ())
        )

    return [one for one in decisions if not is_echo(one)]


def without_repeats(decisions: list[Json]) -> list[tuple[Json, list[Json]]]:
    """Each decision with the refusals right after it that say the same, but for their ages.

    A player that tries again every few seconds is one line, not hundreds.
    """
    runs: list[tuple[Json, list[Json]]] = []
    for one in decisions:
        if runs and one["kind"] == "refused" and _same(runs[-1][0]) == _same(one):
            runs[-1][1].append(one)
        else:
            runs.append((one, []))
    return runs


def _same(decision: Json) -> tuple[object, ...]:
    device = decision["device"]
    seen = sorted((one["session"], one["region"]) for one in decision["seen"])
    return (
        decision["kind"], decision["decided_by"], decision["session"],
        device and device["id"], decision["limit"], seen,
    )  # fmt: skip


def at_ms(decision: Json) -> int:
    """When it was decided."""
    return parse_instant(decision["at"]) or 0


def between(decisions: list[Json], first_ms: int, last_ms: int) -> list[Json]:
    """Those of a span of time, both ends included."""
    return [one for one in decisions if first_ms <= at_ms(one) <= last_ms]


def held(decisions: list[Json], moment_ms: int) -> list[str]:
    """The sessions that a region held at a moment, by its own decisions up to then."""
    playing: dict[str, None] = {}
    for one in decisions:
        if at_ms(one) > moment_ms:
            break
        if one["kind"] in _BEGINS:
            playing[one["session"]] = None
        elif one["kind"] in _ENDS:
            playing.pop(one["session"], None)
    return list(playing)


def last_look(decisions: list[Json], moment_ms: int) -> Json | None:
    """The last decision about a start up to a moment: it names the sessions that were live."""
    looks = [
        one
        for one in decisions
        if one["kind"] in ("admitted", "revived", "refused") and at_ms(one) <= moment_ms
    ]
    return looks[-1] if looks else None


def moment_of(text: str, now_ms: int) -> int:
    """A moment as a person writes it: RFC 3339; a date and a time, or a time alone, in UTC.

    A time alone is the last one that has passed. Raises ValueError.
    """
    written = text.strip().replace(" ", "T").removesuffix("Z")
    today = instant(now_ms)[:10]
    is_time_alone = "T" not in written
    whole = f"{today}T{written}" if is_time_alone else written
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise ValueError(
            f"{text} is no time; write 20:14:07, or 2026-11-27 20:14, in UTC, or RFC 3339"
        ) from None
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    found_ms = round(zoned.timestamp() * 1000)
    return found_ms - 86_400_000 if is_time_alone and found_ms > now_ms else found_ms

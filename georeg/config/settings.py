"""Reads `[settings]` and `[plans.*]` of a config file into the region's Settings.

In the file all times are seconds: `grant_lease_ms = 10_000` of the code is `grant_lease_s = 10`.
The names come from the fields of Settings, so that there is one list of them; their bounds are
here, since only what a person types needs them. A cluster shares these, as its regions must agree.
"""

from dataclasses import fields, replace
from typing import NamedTuple

from georeg.config.reader import Table
from georeg.region.settings import Excess, OnClone, OnLimit, PlanPolicy, Settings

_DAY_S = 86_400
_PLANS_MAX = 64
LIMIT_MAX = 64
LIMIT_REMEDY = f"how many streams may run at once: a whole number, 1 to {LIMIT_MAX}"


class Bounds(NamedTuple):
    """What a setting may be, in the unit of the file."""

    low: float
    high: float


BOUNDS: dict[str, Bounds] = {
    "heartbeat_ms": Bounds(0.1, 3600),
    "client_lease_ms": Bounds(0.2, _DAY_S),
    "suspect_ms": Bounds(0.1, _DAY_S),
    "deadline_ms": Bounds(0.01, 2),
    "beacon_ms": Bounds(0.05, 60),
    "flush_ms": Bounds(0, 1),
    "fresh_ms": Bounds(0.1, 60),
    "region_suspect_ms": Bounds(0.1, 600),
    "region_down_ms": Bounds(0.1, 3600),
    "grant_lease_ms": Bounds(0.2, 3600),
    "drift": Bounds(0, 0.2),
    "young_ms": Bounds(0, 600),
    "idle_grant_ms": Bounds(0.1, _DAY_S),
    "home_move_after_ms": Bounds(0, 30 * _DAY_S),
    "token_roll_ms": Bounds(0, _DAY_S),
    "session_limit_s": Bounds(60, 30 * _DAY_S),
    "join_ms": Bounds(0, 60),
    "idempotency_ms": Bounds(1, _DAY_S),
    "ends_memory_ms": Bounds(0.2, 3 * _DAY_S),
    "plan_memory_s": Bounds(3600, 365 * _DAY_S),
    "plan_ahead_ms": Bounds(1, 3600),
    "default_limit": Bounds(1, LIMIT_MAX),
}
"""Of every field of Settings except the plans and those of [home] (home.py)."""


def name_in_file(field: str) -> str:
    """`heartbeat_ms` as `heartbeat_s`."""
    return field.removesuffix("_ms") + "_s" if field.endswith("_ms") else field


def read_settings(settings: Table, plans: Table) -> Settings:
    """The settings of a file; what it leaves out follows from the heartbeat or is the default."""
    given: dict[str, float] = {}
    for field in fields(Settings):
        if field.name not in BOUNDS:
            continue
        low, high = BOUNDS[field.name]
        key = name_in_file(field.name)
        unit = " seconds" if key.endswith("_s") else ""
        found = settings.number(key, low, high, f"give {low:g} to {high:g}{unit}, or leave it out")
        if found is None:
            continue
        if field.name.endswith("_ms"):
            given[field.name] = round(found * 1000)
        elif isinstance(field.default, int) and found != int(found):
            settings.wrong(key, f"{found:g} is not whole", "give a whole number")
        else:
            given[field.name] = int(found) if isinstance(field.default, int) else found
    settings.finish()
    known = read_plans(plans)
    whole = replace(_paced(given), **given, **({"plans": known} if known else {}))  # type: ignore[arg-type]  # names and types are those of the fields
    if settings.findings.is_clean("settings"):
        _check(settings, whole)
    return whole


def _paced(given: dict[str, float]) -> Settings:
    """Defaults that fit the heartbeat and lease of the file: a lease is three heartbeats."""
    if "heartbeat_ms" not in given and "client_lease_ms" not in given:
        return Settings()
    heartbeat_ms = given.get("heartbeat_ms", Settings().heartbeat_ms)
    lease_ms = given.get("client_lease_ms")
    lease_s = lease_ms / 1000 if lease_ms is not None else None
    return Settings.of(heartbeat_s=heartbeat_ms / 1000, lease_s=lease_s)


def read_plans(plans: Table) -> dict[str, PlanPolicy]:
    """The plans of a file; none when it has no such table."""
    known = {}
    names = plans.keys()
    if len(names) > _PLANS_MAX:
        remedy = f"at most {_PLANS_MAX} plans"
        plans.findings.add(plans.path, f"holds {len(names)} plans", remedy)
        return {}
    for name in names:
        remedy = f"write it as [plans.{name}] with limit = 2"
        plan = plans.table(name, remedy)
        if not plan.keys() and plans.findings.is_clean(*plans.path, name):
            plan.wrong("limit", "is missing", remedy)
            continue
        known[name] = PlanPolicy(
            limit=plan.whole("limit", 1, LIMIT_MAX, LIMIT_REMEDY),
            on_limit=plan.choice(
                "on_limit",
                OnLimit,
                "refuse: the start is refused; end_oldest: the oldest session ends",
                default=OnLimit.REFUSE,
            ),
            excess=plan.choice(
                "excess",
                Excess,
                "finish: streams above the limit after a partition may finish; end: they end",
                default=Excess.FINISH,
            ),
            clones=plan.choice(
                "clones",
                OnClone,
                "report: a token that two devices use is counted; end: its session ends as well",
                default=OnClone.REPORT,
            ),
        )
        plan.finish()
    return known


def _check(table: Table, settings: Settings) -> None:
    """What must hold between the settings."""

    def require(is_good: bool, key: str, message: str, remedy: str) -> None:
        if not is_good:
            table.wrong(key, message, remedy)

    def seconds(value_ms: float) -> str:
        return f"{value_ms / 1000:g}"

    heartbeat, lease = settings.heartbeat_ms, settings.client_lease_ms
    require(
        lease >= 2 * heartbeat,
        "client_lease_s",
        f"a lease of {seconds(lease)} s is less than two heartbeats of {seconds(heartbeat)} s",
        f"give at least {seconds(2 * heartbeat)}, better {seconds(3 * heartbeat)}: one lost "
        "heartbeat must not end a stream",
    )
    require(
        heartbeat < settings.suspect_ms < lease,
        "suspect_s",
        f"{seconds(settings.suspect_ms)} is not between the heartbeat and the client lease",
        f"give more than {seconds(heartbeat)} and less than {seconds(lease)}, or leave it out",
    )
    require(
        settings.fresh_ms >= 2 * settings.beacon_ms,
        "fresh_s",
        f"{seconds(settings.fresh_ms)} is less than two beacons: evidence would go stale between "
        "beacons",
        f"give at least {seconds(2 * settings.beacon_ms)}",
    )
    require(
        settings.beacon_ms < settings.region_suspect_ms < settings.region_down_ms,
        "region_down_s",
        "beacon_s, region_suspect_s and region_down_s do not rise",
        "a region is first late, then suspect, then down: give rising times",
    )
    require(
        settings.grant_lease_ms >= 2 * settings.beacon_ms,
        "grant_lease_s",
        f"{seconds(settings.grant_lease_ms)} is less than two beacons: grants would not be renewed "
        "in time",
        f"give at least {seconds(2 * settings.beacon_ms)}",
    )
    require(
        settings.token_roll_ms == 0 or settings.token_roll_ms >= 2 * heartbeat,
        "token_roll_s",
        f"{seconds(settings.token_roll_ms)} is less than two heartbeats: the token would change at "
        "each of them",
        f"give at least {seconds(2 * heartbeat)}, or 0 for never",
    )
    require(
        settings.ends_memory_ms >= lease,
        "ends_memory_s",
        "ends would be forgotten before the last heartbeat of a session can arrive",
        f"give at least the client lease, {seconds(lease)}",
    )

"""Reads `[home]`: who is home of a region's accounts while it is down, and where the locks are."""

from typing import Final

from crdt.versions import NEWEST
from georeg.config.keys import Sources
from georeg.config.mistakes import Findings
from georeg.config.model import Config, HomeConfig
from georeg.config.reader import Table
from georeg.region.settings import ElectionKind, Settings
from georeg.store.redis import RedisSettings, UnusableRedis
from georeg.store.redis.address import HOW_TO_WRITE

_ELECTION_REMEDY: Final = (
    "static: nobody; best-effort: the next region that is up; fenced: who has the lock at lock_url."
    " The same in all regions"
)
_LOCK_KEYS: Final = ("lock_url", "lock_password_file", "lock_ca_file", "lock_ttl_s")
_TTL_REMEDY: Final = "seconds, 1 to 600: a home that is lost gives its seat free after this"


def read_home(top: Table, sources: Sources) -> HomeConfig:
    """How homes are elected; the static way without the table."""
    table = top.table("home", 'write it as [home] with election = "fenced" and lock_url')
    election = table.choice(
        "election", ElectionKind, _ELECTION_REMEDY, default=ElectionKind.STATIC
    )
    usual_ms = Settings().lock_ttl_ms
    if election is ElectionKind.FENCED:
        home = HomeConfig(election, _read_locks(table, sources), _read_ttl_ms(table, usual_ms))
    else:
        home = HomeConfig(election, None, usual_ms)
        table.know(*_LOCK_KEYS)
        for key in _LOCK_KEYS:
            if table.has(key):
                remedy = 'write election = "fenced", or remove it'
                table.wrong(key, f"is for a fenced election, and this is {election}", remedy)
    table.finish()
    return home


def _read_ttl_ms(table: Table, usual_ms: int) -> int:
    found_s = table.number("lock_ttl_s", 1, 600, _TTL_REMEDY)
    return usual_ms if found_s is None else round(found_s * 1000)


def _read_locks(table: Table, sources: Sources) -> RedisSettings | None:
    url = table.text("lock_url", f"where the locks are: {HOW_TO_WRITE}")
    files = {}
    for key in ("lock_password_file", "lock_ca_file"):
        text = table.text(key, "a file, relative to this one", default="")
        files[key] = sources.path(text) if text else None
    if not url:
        return None
    try:
        return RedisSettings.parse(
            url, password_file=files["lock_password_file"], ca_file=files["lock_ca_file"]
        )
    except UnusableRedis as error:
        table.wrong("lock_url", str(error), HOW_TO_WRITE)
        return None


def check_home(config: Config, findings: Findings) -> None:
    """A lock outlives a few rounds; regions can say where they sit."""
    home, beacon_ms = config.home, config.settings.beacon_ms
    if home.election is not ElectionKind.STATIC and config.mesh.protocol_max < NEWEST:
        findings.add(
            ("mesh", "protocol_max"),
            f"version {config.mesh.protocol_max} of the protocol has static homes only",
            'remove protocol_max, or write [home] election = "static"',
        )
    if home.election is not ElectionKind.STATIC and config.store is not None:
        findings.add(
            ("home", "election"),
            f"a region of many nodes has static homes only, and this is {home.election}",
            'remove [home], or write election = "static"; or remove [store]',
        )
    if home.election is ElectionKind.FENCED and home.lock_ttl_ms < 4 * beacon_ms:
        findings.add(
            ("home", "lock_ttl_s"),
            f"{home.lock_ttl_ms / 1000:g} is less than four beacons: locks would not be renewed "
            "in time",
            f"give at least {4 * beacon_ms / 1000:g}",
        )

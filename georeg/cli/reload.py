"""Another config for a region that runs: what of it takes effect at once, and what needs a restart.

All or nothing: when one thing in the file needs a restart, nothing of it is taken, and each such
thing is named. What the regions of a cluster must share and what others already rest on (leases,
heartbeats, addresses to listen on) needs a restart; peers, keys, plans and the tunables of
`AT_ONCE` do not.
"""

from dataclasses import fields
from typing import Final

from georeg.config import Config
from georeg.config.settings import name_in_file

AT_ONCE: Final = frozenset(
    {
        "plans", "default_limit", "deadline_ms", "young_ms", "idle_grant_ms", "home_move_after_ms",
        "plan_memory_s",
    }  # fmt: skip
)
"""Fields of Settings that are looked up each time that they are needed."""
OF_HOME: Final = frozenset({"election", "lock_ttl_ms"})
"""Fields of Settings that stand in [home]."""


class ReloadError(Exception):
    """The config cannot be taken while the region runs; the message says why and what to do."""


def check(now: Config, new: Config) -> list[str]:
    """What would change, in words without secrets. Raises ReloadError for what needs a restart."""
    fixed = [*_fixed(now, new), *_renamed(now, new)]
    if fixed:
        raise ReloadError(
            f"{', '.join(fixed)} cannot change while the region runs; nothing was changed. Put it"
            " back, or restart the region"
        )
    return [*_changed_settings(now, new, AT_ONCE), *_changed_parts(now, new)]


def _fixed(now: Config, new: Config) -> list[str]:
    pairs = {
        "cluster": (now.cluster, new.cluster),
        "region": (now.name, new.name),
        "number": (now.number, new.number),
        "data_dir": (now.data_dir, new.data_dir),
        "log_level": (now.log_level, new.log_level),
        "edge.host": (now.edge.host, new.edge.host),
        "edge.port": (now.edge.port, new.edge.port),
        "edge.dev": (now.edge.dev, new.edge.dev),
        "edge.public_url": (now.edge.public_url, new.edge.public_url),
        "[mesh]": (now.mesh, new.mesh),
        "[ops]": (now.ops, new.ops),
        "[home]": (now.home, new.home),
    }
    others = {field.name for field in fields(now.settings)} - AT_ONCE - OF_HOME
    return [key for key, (a, b) in pairs.items() if a != b] + _changed_settings(now, new, others)


def _renamed(now: Config, new: Config) -> list[str]:
    """Ids of sessions hold names: one that has changed would be another region."""
    names = {peer.number: peer.name for peer in now.peers} | now.former
    after = {peer.number: peer.name for peer in new.peers} | new.former
    return [
        f"the name of region {number}"
        for number in sorted(names.keys() & after.keys())
        if names[number] != after[number]
    ]


def _changed_settings(now: Config, new: Config, names: frozenset[str] | set[str]) -> list[str]:
    return [
        f"settings.{name_in_file(name)}" if name != "plans" else "plans"
        for name in sorted(names)
        if getattr(now.settings, name) != getattr(new.settings, name)
    ]


def _changed_parts(now: Config, new: Config) -> list[str]:
    before = {peer.number: peer for peer in now.peers}
    after = {peer.number: peer for peer in new.peers}
    keys = [
        field.name
        for field in fields(now.keys)
        if getattr(now.keys, field.name) != getattr(new.keys, field.name)
    ]
    return [
        *(f"peer {after[n].name} added" for n in sorted(after.keys() - before.keys())),
        *(f"peer {before[n].name} removed" for n in sorted(before.keys() - after.keys())),
        *(
            f"peer {after[n].name} at another address"
            for n in sorted(before.keys() & after.keys())
            if before[n] != after[n]
        ),
        *(f"keys.{name}" for name in keys),
        *(["edge.cors_origins"] if now.edge.cors_origins != new.edge.cors_origins else []),
        *(["edge.drain_s"] if now.edge.drain_s != new.edge.drain_s else []),
        *(["former"] if now.former != new.former else []),
        *(["explain"] if now.explain != new.explain else []),
        *(["shadow.plans"] if now.shadow != new.shadow else []),
    ]

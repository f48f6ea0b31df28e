"""What a region's process did over a run, as spans of one state each."""

from dataclasses import dataclass
from typing import Final

from region_sim.history import History, Life

_STATES: Final = {
    Life.BOOTED: "booting",
    Life.READY: "up",
    Life.KILLED: "killed",
    Life.PAUSED: "paused",
    Life.DRAINING: "draining",
    Life.UNDRAINED: "up",
    Life.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True)
class LifeSpan:
    """One state of a process."""

    from_us: int
    to_us: int
    state: str
    note: str


def spans(history: History, region: str) -> list[LifeSpan]:
    """A region's process from the begin of the run to its end. One that nobody saw booting ran."""
    found: list[LifeSpan] = []
    own = [life for life in history.lives if life.region == region]
    state = "stopped" if own and own[0].what is Life.BOOTED else "up"
    since_us, note, resumed = 0, "", "up"
    for life in own:
        if life.at_us > since_us:
            found.append(LifeSpan(since_us, life.at_us, state, note))
        if life.what is Life.PAUSED:
            resumed = state if state != "paused" else resumed
        state = resumed if life.what is Life.RESUMED else _STATES[life.what]
        since_us, note = life.at_us, life.note
    if history.end_us > since_us:
        found.append(LifeSpan(since_us, history.end_us, state, note))
    return found

"""One act for each rule that chance seldom puts to the test: what happens, and what must not."""

from collections.abc import Callable

from crdt.dots import RegionId
from tests.model.oracle import Oracle
from tests.model.stage import Stage

ACTS: dict[str, Callable[[], Oracle]] = {}
"""By the name of the mutant that must be noticed in it."""


def act(play: Callable[[], Oracle]) -> Callable[[], Oracle]:
    """Register an act under its own name."""
    ACTS[play.__name__] = play
    return play


@act
def own() -> Oracle:
    """A device starts in one region and, before that region's log has gone out, in another."""
    stage = Stage(limit=1, home=1)
    stage.admit(1, "phone")
    stage.start(2, "phone")
    stage.wait(1)
    return stage.oracle


@act
def adopt() -> Oracle:
    """A region crashes with a start that nobody has heard of; its slot goes to another device."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(1, "tv")
    stage.world.kill(RegionId(1), 1.0)
    stage.wait(0.5)
    stage.admit(2, "phone")
    stage.wait(5)
    stage.beat(2, session)
    return stage.oracle


@act
def volatile() -> Oracle:
    """A region kicks while it is cut off, and crashes before anybody hears of it."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(1, "tv")
    stage.wait(1)
    stage.cut((1, 2), seconds=3)
    stage.kick(1, session)
    stage.wait(1)
    stage.world.kill(RegionId(1), 1.0)
    stage.wait(10)
    stage.beat(1, session)
    return stage.oracle


@act
def unconf() -> Oracle:
    """A region crashes; the device of its session leaves meanwhile; another one starts."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(2, "tv")
    stage.wait(1)
    stage.world.kill(RegionId(2), 89.0)
    stage.wait(95)
    assert not stage.oracle.all[session].lives(stage.world.now_s)
    stage.start(2, "phone")
    stage.wait(1)
    return stage.oracle

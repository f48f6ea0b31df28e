"""One act for each rule that chance seldom puts to the test: what happens, and what must not."""

from collections.abc import Callable

from crdt.dots import RegionId
from georeg.region.model import Kicked
from tests.model.checks import check_held_once
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
    stage.world.lives[RegionId(1)].disk.held.clear()  # nor had the disk written it
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


@act
def stopwins() -> Oracle:
    """A stop arrives where the session is not held; another device starts where it was."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(1, "tv")
    stage.wait(1)
    stage.stop(2, session)
    stage.wait(5)
    stage.start(1, "phone")
    stage.wait(1)
    return stage.oracle


@act
def device() -> Oracle:
    """A phone plays in two regions that do not see one another; a tablet starts in a third one."""
    stage = Stage(limit=2, regions=3, home=3)
    stage.world.has_relays = False
    stage.cut((1, 2), (2, 1), seconds=8)
    stage.admit(1, "phone")
    stage.admit(2, "phone")
    stage.wait(2)
    stage.start(3, "tablet")
    stage.wait(1)
    return stage.oracle


@act
def yields() -> Oracle:
    """A television was switched off at the wall; two heartbeats later a phone starts elsewhere."""
    stage = Stage(limit=1, home=1, kind="fast")
    stage.admit(1, "tv")
    stage.wait(70)
    stage.admit(2, "phone")
    return stage.oracle


@act
def yields_kicked() -> Oracle:
    """A television slept, a phone had its slot meanwhile, and the slot is free again."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(1, "tv")
    stage.wait(70)
    other = stage.admit(1, "phone")
    stage.stop(1, other)
    stage.wait(1)
    if not stage.beat(1, session):
        stage.oracle.bad("P5 a session that yielded may not come back")
    return stage.oracle


@act
def handover() -> Oracle:
    """A session moves; the region that it left is nearer to the home than the one it moved to."""
    stage = Stage(limit=1, regions=3, home=3, kind="fast")
    stage.world.latency_s[2, 3] = stage.world.latency_s[3, 2] = 0.030
    session = stage.admit(1, "tv")
    stage.wait(1)
    stage.beat(2, session)
    stage.wait(0.010)
    stage.start(3, "phone")
    stage.wait(1)
    return stage.oracle


@act
def handover_bare() -> Oracle:
    """A session moves to a region and back before that one has a slot; its end there is news at
    the home before its coming back is."""
    stage = Stage(limit=1, regions=3, home=3, kind="fast")
    session = stage.admit(1, "tv")
    stage.wait(1)
    stage.beat(2, session)
    stage.wait(0.02)
    stage.world.latency_s[1, 3] = 0.2
    stage.beat(1, session)
    stage.wait(0.1)
    stage.start(3, "phone")
    stage.wait(1)
    return stage.oracle


@act
def follow_flush() -> Oracle:
    """A session that is held elsewhere is kicked: its end is confirmed within the deadline."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(1, "tv")
    stage.wait(1)
    answer = stage.kick(2, session)
    stage.wait(0.2)
    if not isinstance(answer.value, Kicked) or answer.value.waiting_for:
        stage.oracle.bad("P4 the end was not confirmed in time", answer.value)
    return stage.oracle


@act
def nohop() -> Oracle:
    """A session moves to a region of a lower number: only its hop says who holds it."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(2, "tv")
    stage.wait(1)
    stage.beat(1, session)
    stage.wait(1)
    check_held_once(stage.world)
    return stage.oracle


@act
def noview() -> Oracle:
    """A region has a grant that the home cannot take back, and sees a session beside it."""
    stage = Stage(limit=1, regions=3, home=1, kind="fast")
    session = stage.admit(2, "tv")
    stage.stop(2, session)
    stage.wait(1)
    stage.cut((1, 2), (2, 1), seconds=5)
    stage.admit(3, "phone")
    stage.wait(1)
    stage.start(2, "tablet")
    stage.wait(1)
    return stage.oracle


@act
def inherit() -> Oracle:
    """A region restarts, and before its session is heard again a phone starts beside it."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(2, "tv")
    stage.wait(1)
    stage.world.kill(RegionId(2), 16.0)
    stage.wait(18)
    stage.start(1, "phone")
    stage.wait(2)
    stage.beat(2, session)
    stage.wait(8)
    if len({t.device for t in stage.oracle.all.values() if t.lives(stage.world.now_s)}) > 1:
        stage.oracle.bad("P2 both go on")
    return stage.oracle


@act
def order_place() -> Oracle:
    """Two sides of a cut admit one each; the earlier one is replaced before the cut heals."""
    stage = Stage(limit=1, regions=3, home=3)
    every = ((1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2))
    stage.cut(*every, seconds=5)
    first = stage.admit(1, "tv")
    stage.wait(1)
    stage.admit(2, "phone")
    stage.wait(1)
    last = stage.admit(1, "tablet", replace=(first,))
    stage.wait(8)
    if stage.oracle.all[last].kicked_s is not None:
        stage.oracle.bad("P5 the later one took the place of the earlier one")
    return stage.oracle


@act
def homeword_answers() -> Oracle:
    """A region cannot hear the one that holds the session; the home can, and relays nothing."""
    stage = Stage(limit=1, regions=3, home=1, kind="fast")
    stage.world.has_relays = False
    stage.admit(2, "tv")
    stage.cut((2, 3), (3, 2), seconds=10)
    stage.wait(5)
    stage.start(3, "phone")
    stage.wait(1)
    return stage.oracle


@act
def homeword_everyone() -> Oracle:
    """The home is out of reach, and the log that names the session has not come yet."""
    stage = Stage(limit=1, regions=3, home=1, kind="fast")
    stage.world.jam[2, 3] = stage.world.now_s + 10
    stage.admit(2, "tv")
    stage.cut((1, 3), (3, 1), seconds=10)
    stage.wait(1)
    stage.start(3, "phone")
    stage.wait(1)
    return stage.oracle


@act
def homeword_final() -> Oracle:
    """After a restart nobody can vouch for a session; while a start waits its device is heard."""
    stage = Stage(limit=1, home=1, kind="fast")
    session = stage.admit(2, "tv")
    stage.wait(1)
    stage.world.kill(RegionId(2), 3.0)
    stage.wait(5)
    stage.start(1, "phone")
    stage.wait(0.02)
    stage.beat(2, session)
    stage.wait(1)
    return stage.oracle


@act
def stale() -> Oracle:
    """A start is refused; the session that blocked it lapses; the same device tries again."""
    stage = Stage(limit=1, regions=4, home=1)
    stage.world.latency_s[2, 3] = stage.world.latency_s[3, 2] = 0.030
    stage.admit(2, "tv")
    stage.wait(45)
    stage.start(3, "phone")
    stage.wait(49)
    stage.cut((1, 3), (3, 1), seconds=10)
    stage.start(3, "phone")
    stage.wait(1)
    return stage.oracle


@act
def echo() -> Oracle:
    """All that a region says comes five seconds late: it vouches for a session that has ended."""
    stage = Stage(limit=1, home=1)
    session = stage.admit(2, "tv")
    stage.wait(1)
    stage.world.lag[2, 1] = (stage.world.now_s + 20, 5.0)
    stage.wait(10)
    stage.stop(2, session)
    stage.wait(4)
    stage.start(1, "phone")
    stage.wait(1)
    return stage.oracle

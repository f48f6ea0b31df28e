"""The rules as pure functions: what a region knows, and what it must do next."""

import pytest

from crdt.dots import RegionId, SessionId, dot_at
from crdt.events import Device, Entry, Reason
from georeg.region.model import Basis, How
from georeg.region.rules import (
    Admit,
    Ask,
    Case,
    Refuse,
    Wait,
    Yield,
    disproved,
    judge,
    superseded,
)  # fmt: skip
from georeg.region.seen import Seen, devices, vouched

HERE, ELSEWHERE = 1, 2


def seen(
    device: str,
    region: int = HERE,
    *,
    suspect: bool = False,
    settled: bool = True,
    unconfirmed: bool = False,
    placed: int = 0,
    position: int = 1,
) -> Seen:
    dot = dot_at(region, 1, 0, sum(device.encode()) * 100 + position)
    entry = Entry(
        dot, SessionId(dot), "acc", Device(device, device, "tv"), "", placed, placed, 86_400, 0,
        not settled, unconfirmed,
    )  # fmt: skip
    return Seen(entry, suspect, settled, 0)


def test_a_start_supersedes_its_own_device_and_what_it_names_and_nothing_else() -> None:
    known = {s.session: s.entry for s in (seen("tv"), seen("tv", 2), seen("phone"), seen("tablet"))}
    tv, tv_away, phone, tablet = known

    assert superseded(known, "tv", (), ()) == dict.fromkeys((tv, tv_away), Reason.SUPERSEDED)
    assert superseded(known, "new", (), ()) == {}
    assert superseded(known, "new", (phone,), (tablet,)) == {
        phone: Reason.REPLACED, tablet: Reason.LIMIT,
    }  # fmt: skip
    assert superseded(known, "phone", (phone,), ()) == {phone: Reason.SUPERSEDED}


NOTHING = Case(
    limit=1, own=(), usable=0, slot=0, in_view=0, has_asked=False, answers=(), covered=(),
    is_final=False,
)  # fmt: skip
HELD, AWAY = seen("tv"), seen("tv", ELSEWHERE)
WEAK, WEAK_AWAY = seen("tv", suspect=True), seen("tv", ELSEWHERE, suspect=True)
UNSURE = seen("tv", unconfirmed=True)
ASKED = NOTHING._replace(has_asked=True)
FINAL = ASKED._replace(is_final=True)


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        # Rule 2: own live >= L.
        (NOTHING._replace(own=[HELD], usable=5), Refuse(How.LOCAL, (HELD,))),
        (NOTHING._replace(own=[WEAK], usable=5), Yield(WEAK)),
        (NOTHING._replace(own=[UNSURE]), Ask()),
        (
            NOTHING._replace(limit=2, own=[HELD, seen("tv", position=2)], usable=2),
            Admit(Basis.GRANTED),
        ),
        # Rule 3: own live < usable grant, and fewer than L in the view.
        (NOTHING._replace(usable=1), Admit(Basis.GRANTED)),
        (NOTHING._replace(usable=1, in_view=1), Ask()),
        (NOTHING._replace(usable=0), Ask()),
        (NOTHING._replace(usable=-1), Ask()),
        # Rule 4: the home grants; a slot was judged on fresh answers, whatever the view shows.
        (ASKED._replace(slot=1, in_view=1), Admit(Basis.BORROWED)),
        (ASKED._replace(usable=1), Admit(Basis.BORROWED)),
        (ASKED._replace(own=[HELD], limit=2, slot=1), Wait()),
        # ... L distinct devices confirmed live during this request.
        (ASKED._replace(answers=[AWAY]), Refuse(How.CONFIRMED, (AWAY,))),
        (ASKED._replace(limit=2, own=[HELD], answers=[AWAY]), Wait()),
        (ASKED._replace(answers=[WEAK_AWAY]), Wait()),
        (
            ASKED._replace(limit=2, own=[seen("a", suspect=True)], answers=[AWAY]),
            Yield(seen("a", suspect=True)),
        ),
        # "Fewer than L were confirmed" admits only at the deadline, never before the home spoke.
        (ASKED, Wait()),
        (FINAL, Admit(Basis.OVERDRAFT)),
        (FINAL._replace(answers=[WEAK_AWAY]), Admit(Basis.OVERDRAFT)),
        (FINAL._replace(own=[UNSURE]), Admit(Basis.OVERDRAFT)),
        # The deadline: the rest covered by beacons.
        (FINAL._replace(covered=[AWAY.entry]), Refuse(How.BEACON, (), (AWAY.entry,))),
        (
            FINAL._replace(limit=2, own=[HELD], covered=[seen("b", ELSEWHERE).entry]),
            Refuse(How.BEACON, (HELD,), (seen("b", ELSEWHERE).entry,)),
        ),
        (FINAL._replace(limit=2, own=[HELD], covered=[AWAY.entry]), Admit(Basis.OVERDRAFT)),
        (
            FINAL._replace(
                limit=2, own=[seen("a", suspect=True)], covered=[seen("b", ELSEWHERE).entry]
            ),
            Yield(seen("a", suspect=True)),
        ),
    ],
)  # fmt: skip
def test_what_is_known_says_what_to_do(case: Case, verdict: object) -> None:
    assert judge(case) == verdict


def early(device: str, placed: int, *, settled: bool = False, region: int = ELSEWHERE) -> Seen:
    return seen(device, region, settled=settled, placed=placed)


MINE = early("mine", 50, region=HERE)


@pytest.mark.parametrize(
    ("own", "answers", "usable", "limit", "ended"),
    [
        # An earlier one precedes, a later one does not.
        ([MINE], [early("a", 10)], 0, 1, [MINE]),
        ([MINE], [early("a", 60)], 0, 1, []),
        # Settled ones come first, whenever they began.
        ([MINE], [early("a", 60, settled=True)], 0, 1, [MINE]),
        # What a grant covers is no excess.
        ([MINE], [early("a", 10)], 1, 1, []),
        # L others must precede, on L devices.
        ([MINE], [early("a", 10)], 0, 2, []),
        ([MINE], [early("a", 10), early("a", 11)], 0, 2, []),
        ([MINE], [early("a", 10), early("b", 11)], 0, 2, [MINE]),
        # Its own device and its own session, as others still show it, do not precede it.
        ([MINE], [early("mine", 10)], 0, 1, []),
        ([MINE], [MINE], 0, 1, []),
        # Suspect and unconfirmed ones prove nothing.
        ([MINE], [seen("a", ELSEWHERE, suspect=True)], 0, 1, []),
        ([MINE], [seen("a", ELSEWHERE, unconfirmed=True)], 0, 1, []),
        # Settled sessions never end for the limit.
        ([early("mine", 50, settled=True, region=HERE)], [early("a", 10, settled=True)], 0, 1, []),
        # Exactly the excess, the newest first.
        (
            [MINE, early("older", 40, region=HERE)],
            [early("a", 10)],
            1,
            1,
            [MINE],
        ),
        (
            [MINE, early("older", 40, region=HERE)],
            [early("a", 10)],
            0,
            1,
            [MINE, early("older", 40, region=HERE)],
        ),
    ],
)
def test_a_provisional_session_is_disproved_when_l_sessions_precede_it(
    own: list[Seen], answers: list[Seen], usable: int, limit: int, ended: list[Seen]
) -> None:
    assert list(disproved(limit, usable, own, answers)) == ended


def test_of_two_provisional_sessions_only_the_later_one_is_disproved() -> None:
    first, second = early("a", 10, region=HERE), early("b", 20)

    assert disproved(1, 0, [first], [second]) == ()
    assert disproved(1, 0, [second], [first]) == (second,)


def test_of_two_that_began_in_the_same_millisecond_the_lower_dot_precedes() -> None:
    first, second = early("a", 10, region=HERE), early("b", 10, region=ELSEWHERE)

    assert disproved(1, 0, [first], [second]) == ()
    assert disproved(1, 0, [second], [first]) == (second,)


def test_what_is_counted_is_distinct_devices() -> None:
    assert devices([HELD, AWAY, seen("b").entry, seen("b", position=3)]) == 2


def test_a_region_vouches_for_its_own_sessions_of_the_account_only() -> None:
    other_account = AWAY._replace(entry=AWAY.entry._replace(account="acc-2"))

    assert vouched(RegionId(ELSEWHERE), "acc", [AWAY, HELD, other_account]) == (AWAY,)


def test_evidence_is_neither_suspect_nor_unconfirmed_and_only_a_suspect_one_yields() -> None:
    assert (HELD.firm, WEAK.firm, UNSURE.firm) == (True, False, False)
    weak_and_unsure = seen("tv", suspect=True, unconfirmed=True)
    assert (HELD.yields, WEAK.yields, weak_and_unsure.yields) == (False, True, False)

"""Gathers from a history what really happened to each account: its sessions, calls and limits.

Only calls, answers and what a tap wrote down count; what a region believes does not. A start
without an answer is *indefinite*: it may have begun a session whose id nobody was told. As soon as
an answer, an end or a heartbeat names a session of that device that no start has answered, it is
taken for the one that was lost (`reveal`); until then it neither blocks nor counts.

Cost: one pass over the calls and one over the records, indexed by account.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from region_sim.history import Call, CallKind, History
from region_sim.oracle.limits import Limits
from region_sim.oracle.network import FOREVER_US, Network
from region_sim.oracle.sessions import Act, Beat, Session, settle


@dataclass(slots=True, eq=False)
class Household:
    """One account."""

    account: str
    limits: Limits
    home: str = ""
    """The region that its entitlements name as its home; empty: none."""
    calls: list[Call] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    starts: list[Call] = field(default_factory=list)
    lost: list[Call] = field(default_factory=list)
    """Starts that may have begun a session that nobody has heard of yet."""
    phantoms: dict[str, str] = field(default_factory=dict)
    """Sessions that an answer named and that nobody can have started, with their device."""

    def living(self, from_us: int, to_us: int, but: str = "") -> set[str]:
        """Devices, without one, that may have lived at some moment between."""
        return {
            s.device
            for s in self.sessions.values()
            if s.device != but and s.may_have_lived(from_us, to_us)
        }


def gather(history: History, network: Network) -> dict[str, Household]:
    """All accounts, in alphabetical order."""
    households = _households(history)
    for call in history.calls:
        household = households[call.account]
        household.calls.append(call)
        household.limits.hear(call)
    for household in households.values():
        _begin(household, network)
    _note_records(history, network, households)
    for household in households.values():
        _follow(household, network)
        _act(household, network)
        for session in household.sessions.values():
            settle(
                session,
                lease_us=history.lease_us,
                suspect_us=history.suspect_us,
                is_tapped=history.is_tapped,
            )
    return households


def _note_records(history: History, network: Network, households: dict[str, Household]) -> None:
    """What was written down of sessions beside the calls: ends, and who heard of them."""
    by_session = {s: h for h in households.values() for s in h.sessions}
    for ended in history.ended:
        house = households.get(ended.account)
        if house is None:
            continue
        session = _known(house, network, ended.session, ended.device, ended.at_us)
        if session is not None:
            by_session[session.id] = house
            session.spoken.append(ended)
    for told in history.told:
        house = by_session.get(told.session)
        if house is not None:
            house.sessions[told.session].told.append(told)
    for learned in history.learned:
        found = by_session.get(learned.session)
        if found is not None:
            known = found.sessions[learned.session].learned_us
            known.setdefault(learned.region, learned.at_us)


def _households(history: History) -> dict[str, Household]:
    joined: dict[str, list[Any]] = {call.account: [] for call in history.calls}
    for change in history.joined:
        joined.setdefault(change.account, []).append(change)
    return {
        name: Household(name, Limits(changes), changes[-1].home if changes else "")
        for name, changes in sorted(joined.items())
    }


def _begin(household: Household, network: Network) -> None:
    """Sessions that a 201 told of, starts whose answer was lost, then what others named."""
    for call in household.calls:
        if call.kind is not CallKind.START:
            continue
        household.starts.append(call)
        if call.status == 201:
            _admitted(household, call)
        elif is_indefinite(call):
            household.lost.append(call)
    _join_repeats(household, network)
    for call in household.calls:
        for shown in _shown(call):
            assert call.answered_us is not None
            device = str(shown.get("device", {}).get("id", ""))
            _known(household, network, str(shown.get("id", "")), device, call.answered_us)


def _join_repeats(household: Household, network: Network) -> None:
    """A lost start that was sent again with its key, and answered, began the session that it told
    of; nothing else of it is left, unless the region's slices had to be done without: who answers
    for them knows no keys."""
    keyed = {key: s for s in household.sessions.values() for key in s.keys}
    for call in list(household.lost):
        session = keyed.get(key_of(call))
        if session is not None:
            session.began_us = min(session.began_us, call.sent_us)
            if network.is_whole(call.region, call.sent_us, session.admitted_us or call.sent_us):
                household.lost.remove(call)


def key_of(call: Call) -> tuple[str, str]:
    """What makes two starts of an account the same start: region and Idempotency-Key."""
    return (call.region, str(call.request.get("key", "")))


def is_indefinite(call: Call) -> bool:
    """Whether nobody can tell if a call took effect. 503 is said before anything is decided, or
    when it takes too long. A refused connection never carried the request."""
    return (call.status == 0 or call.status >= 500) and call.error not in ("refused", "unreachable")


def _admitted(household: Household, call: Call) -> None:
    name = str(call.body["session"]["id"])
    assert call.answered_us is not None
    beat = Beat(call.sent_us, call.answered_us, call.region, call.number)
    known = household.sessions.get(name)
    if known is not None:  # the same answer again, to a repeated start
        known.began_us = min(known.began_us, call.sent_us)
        known.admitted_us = min(known.admitted_us or FOREVER_US, call.answered_us)
        known.beats[0] = Beat(
            known.began_us, known.admitted_us, known.beats[0].region, known.beats[0].number
        )
        return
    session = Session(
        name,
        call.account,
        call.device,
        call.region,
        call.sent_us,
        call.answered_us,
        str(call.body.get("decision", {}).get("basis", "")),
        call.number,
    )
    session.beats.append(beat)
    if key_of(call)[1]:
        session.keys.append(key_of(call))
    household.sessions[name] = session


def _shown(call: Call) -> Iterable[dict[str, Any]]:
    """Sessions that an answer names."""
    if call.kind is CallKind.KICK and call.status == 200:
        return [call.body.get("session", {})]
    if call.status in (200, 201, 409):
        return [shown for shown in call.body.get("sessions", ()) if isinstance(shown, dict)]
    return ()


def _known(
    household: Household, network: Network, name: str, device: str, by_us: int
) -> Session | None:
    """The session of this name; one that nobody was told of must be of a start that was lost."""
    session = household.sessions.get(name)
    if session is not None or not name:
        return session
    fitting = [c for c in household.lost if c.device == device and c.sent_us <= by_us]
    home = name.rsplit("-", 2)[0]
    fitting = [c for c in fitting if c.region == home] or fitting
    if not fitting:
        household.phantoms.setdefault(name, device)
        return None
    first, last = fitting[0], fitting[-1]
    effect_us = max(network.latest_effect_us(call) for call in fitting)
    session = Session(
        name, household.account, device, last.region, first.sent_us, None, number=last.number
    )
    session.perhaps.append(Beat(first.sent_us, effect_us, last.region, last.number))
    household.sessions[name] = session
    return session


def _follow(household: Household, network: Network) -> None:
    """Heartbeats, stops and kicks of the sessions."""
    for call in household.calls:
        session = household.sessions.get(call.session) if call.session else None
        if session is None:
            continue
        if call.kind is CallKind.HEARTBEAT:
            _heard(session, call, network)
        elif call.kind in (CallKind.STOP, CallKind.KICK):
            is_sure = call.status in (200, 204)
            if is_sure or is_indefinite(call):
                reason = "stopped" if call.kind is CallKind.STOP else "kicked"
                session.acts.append(_act_of(call, reason, is_sure=is_sure))


def _heard(session: Session, call: Call, network: Network) -> None:
    if call.status == 200:
        assert call.answered_us is not None
        beat = Beat(call.sent_us, call.answered_us, call.region, call.number)
        session.beats.append(beat)
    elif call.status == 410:
        session.refused.append(call)
    elif is_indefinite(call):
        latest_us = network.latest_effect_us(call)
        session.perhaps.append(Beat(call.sent_us, latest_us, call.region, call.number))


def _act(household: Household, network: Network) -> None:
    """What starts do to other sessions: supersede those of their device, replace the named ones."""
    mine: dict[str, list[Session]] = {}
    for session in household.sessions.values():
        mine.setdefault(session.device, []).append(session)
    for call in household.starts:
        if call.status != 201 and not is_indefinite(call):
            continue  # a refused start ends nothing
        own = str(call.body["session"]["id"]) if call.status == 201 else ""
        for session in mine.get(call.device, ()):
            # Of two starts that are on their way at once either may be the later one.
            if session.id != own and _may_follow(call, session, network):
                is_sure = call.status == 201 and session.admitted_us is not None
                is_sure = is_sure and call.sent_us > (session.admitted_us or 0)
                session.acts.append(_act_of(call, "superseded", is_sure=is_sure))
        for name in call.request.get("replace", ()):
            replaced = household.sessions.get(str(name))
            if replaced is not None and replaced.id != own:
                is_sure = call.status == 201
                replaced.acts.append(_act_of(call, "replaced", is_sure=is_sure))


def _may_follow(call: Call, session: Session, network: Network) -> bool:
    """Whether a start may have been decided after the session's own one, and is another one."""
    if call.number == session.number or key_of(call) in session.keys:
        return False
    return call.sent_us > session.began_us or network.latest_effect_us(call) > session.began_us


def _act_of(call: Call, reason: str, *, is_sure: bool) -> Act:
    answered_us = FOREVER_US if call.answered_us is None or not is_sure else call.answered_us
    return Act(reason, call.sent_us, answered_us, call.region, is_sure, call.number)


def in_order(households: dict[str, Household]) -> Iterator[tuple[Household, Session]]:
    """All sessions, by account and then in the order in which they were heard of."""
    for household in households.values():
        for session in household.sessions.values():
            yield household, session

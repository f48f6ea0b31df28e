"""A planted bug for what no clause of a start breaks: each promise, answers, logs, replication."""

from dataclasses import replace
from typing import Any

from crdt.dots import SessionId
from crdt.events import Entry, Event, Kick, Reason, Release
from crdt.releases import release_of
from crdt.shard import Shard
from georeg.region import clones, rules
from georeg.region.clones import Clones
from georeg.region.evidence import Evidence
from georeg.region.heartbeats import Heartbeats
from georeg.region.kicks import Kicks
from georeg.region.model import Basis, NoSession
from georeg.region.pending import Pending
from georeg.region.relaying import Relaying
from georeg.region.replication import Replication
from georeg.region.seen import Seen
from georeg.region.starts import Start
from georeg.region.state import RegionState
from tests.sim.planting import Patch, planted

# ---- P1 ----------------------------------------------------------------------------------------


@planted
def names_fewer(patch: Patch) -> None:
    """A refusal names fewer sessions than the limit."""
    refuse = Start._refuse

    def fewer(self: Start, refusal: rules.Refuse) -> None:
        covered = refusal.covered[:-1]
        seen = refusal.seen if refusal.covered else refusal.seen[:-1]
        refuse(self, rules.Refuse(refusal.how, seen, covered))

    patch.setattr(Start, "_refuse", fewer)


@planted
def no_evidence(patch: Patch) -> None:
    """A start is refused on what the view shows, however old it is."""
    patch.setattr(Evidence, "covers", lambda self, entry: True)


@planted
def suspects_count(patch: Patch) -> None:
    """Suspect and inherited sessions are evidence like any other."""
    patch.setattr(Seen, "firm", property(lambda self: True))


@planted
def lower_limit(patch: Patch) -> None:
    """An account has one stream less than it has paid for."""
    limit_of = RegionState.limit_of
    patch.setattr(
        RegionState, "limit_of", lambda self, account: max(1, limit_of(self, account) - 1)
    )


# ---- P2 ----------------------------------------------------------------------------------------


@planted
def always_admits(patch: Patch) -> None:
    """Every start is admitted."""
    patch.setattr(rules, "judge", lambda case: rules.Admit(Basis.GRANTED))


@planted
def own_only(patch: Patch) -> None:
    """A region knows only its own sessions and never asks: the limit holds in each region alone."""
    judge = rules.judge

    def alone(case: rules.Case) -> rules.Verdict:
        return judge(case._replace(usable=case.limit, in_view=0, answers=(), covered=()))

    patch.setattr(rules, "judge", alone)


@planted
def nobody_relays(patch: Patch) -> None:
    """What goes round a third region gets no farther than there."""
    patch.setattr(Relaying, "_pass_on", lambda self, target, message: None)


# ---- P3, availability, errors ------------------------------------------------------------------


@planted
def patient(patch: Patch) -> None:
    """A start waits four deadlines for the others."""
    run = Start.run

    def run_long(self: Start) -> Any:
        deadline_ms = 4 * (self._request.deadline_ms or self._state.settings.deadline_ms)
        self._request = replace(self._request, deadline_ms=deadline_ms)
        return run(self)

    patch.setattr(Start, "run", run_long)


@planted
def hangs(patch: Patch) -> None:
    """A start that nobody can decide in time is never answered."""
    step = Start._step

    def never_final(self: Start, *, is_final: bool) -> None:
        if not is_final:
            step(self, is_final=False)

    patch.setattr(Start, "_step", never_final)


@planted
def logs_errors(patch: Patch) -> None:
    """A stop that arrives from elsewhere for a session that is not held here raises."""
    apply_stop = RegionState.apply_stop

    def raises(self: RegionState, account: str, session: SessionId) -> None:
        if self.held(account, session) is None:
            raise KeyError(session)
        apply_stop(self, account, session)

    patch.setattr(RegionState, "apply_stop", raises)


# ---- P4 ----------------------------------------------------------------------------------------


@planted
def kicks_stay(patch: Patch) -> None:
    """A kick is known only where it was made."""
    commit = Shard._commit

    def commit_others(self: Shard, event: Event, now_ms: int) -> None:
        if type(event) is not Kick:
            commit(self, event, now_ms)

    patch.setattr(Shard, "_commit", commit_others)
    patch.setattr(RegionState, "apply_kick", _apply_own(RegionState.apply_kick))


def _apply_own(apply_kick: Any) -> Any:
    def apply(self: RegionState, kick: Kick) -> None:
        if self.kicked(kick.account, kick.session) is not None:
            apply_kick(self, kick)

    return apply


@planted
def kick_not_found(patch: Patch) -> None:
    """Only sessions that are held here can be kicked."""
    kick = Kicks.kick

    def here(self: Kicks, account: str, session: SessionId, *who: Any) -> Any:
        if self._state.held(account, session) is None:
            return Pending(NoSession())
        return kick(self, account, session, *who)

    patch.setattr(Kicks, "kick", here)


# ---- P5 ----------------------------------------------------------------------------------------


@planted
def deaf(patch: Patch) -> None:
    """A heartbeat in time is answered, but renews nothing: sessions lapse under their viewers."""

    def renew(
        self: Heartbeats, session: int, account: str, mark: int = 0, parent: int = 0
    ) -> bool:
        state = self._state
        sessions = state.shard(account).sessions
        row = sessions.own_row(account, session)
        if row < 0 or sessions.is_unconfirmed(row):
            return False
        return state.clock.now_ms() - sessions.heard[row] <= state.settings.client_lease_ms

    patch.setattr(Heartbeats, "renew", renew)


@planted
def silence_untold(patch: Patch) -> None:
    """A region that gives up its copy of a session after a cut does not say when it heard it."""
    real = release_of
    patch.setattr("crdt.shard.release_of", lambda entry, reason, *_: real(entry, reason, 0))


# ---- P6 ----------------------------------------------------------------------------------------


@planted
def slots_stay(patch: Patch) -> None:
    """Lapsed sessions stay in the table where nobody looks at them."""
    patch.setattr("georeg.region.sweep.lapsed", lambda *args: [])
    patch.setattr("georeg.region.sweep.overdue", lambda *args: [])


# ---- P7 ----------------------------------------------------------------------------------------


@planted
def unnumbered_release(patch: Patch) -> None:
    """A release consumes no sequence number: equal positions, unequal state."""

    def release(self: Shard, one: Entry, reason: Reason, now_ms: int, after: int = 0) -> None:
        self._commit(Release(one.dot, one.session, one.account, one.hop, reason), now_ms)
        self.changes += 1

    patch.setattr(Shard, "release", release)


@planted
def skips(patch: Patch) -> None:
    """Replication skips the last event of a range of several, and says that it has it."""
    commit_many = Shard.apply

    def apply(self: Shard, *args: Any) -> list[Event]:
        new = commit_many(self, *args)
        last = new[-1] if len(new) > 1 else None
        if type(last) is Entry:
            self.sessions.remove(last.account, last.dot)
        return new

    patch.setattr(Shard, "apply", apply)


@planted
def never_resends(patch: Patch) -> None:
    """What was lost with a link is not sent again."""
    patch.setattr(Replication, "resend", lambda self, peer, shard: None)
    patch.setattr(Replication, "push_all", lambda self, peer, then=lambda: None: then())


# ---- clones ------------------------------------------------------------------------------------


@planted
def retries_are_clones(patch: Patch) -> None:
    """One heartbeat that comes fast, as after a lost answer, is taken for a second device."""
    patch.setattr(clones, "PACE_MAX", clones.BEAT // 2)


@planted
def forks_are_clones(patch: Patch) -> None:
    """Any token that does not follow the last one is taken for a second device."""
    patch.setattr(
        Clones, "_has_turned", lambda self, session, last, mark, parent: parent != last
    )

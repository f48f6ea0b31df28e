"""The slices that a process runs, as one region: what the edge and operators ask.

Each call is about one account or session and goes to that slice's own rules; numbers are added up.
No rule is here. Invariant: what a slice decides depends on its own state alone, since all that is
known of an account, and of its sessions, is in one shard and so in one slice.

A start that was admitted, and a stop, is answered when it is committed, so that another node that
takes the slice over a moment later knows of it; a store that is slower than the start's deadline
holds nobody up (P3). Cost: one look into a dict a call.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Plan
from crdt.hlc import hlc_at
from georeg.nodes.drains import SlicedDrain
from georeg.nodes.parts import Part, Parts
from georeg.nodes.reports import SlicedReport
from georeg.nodes.sums import sum_of_status
from georeg.nodes.unchecked import ASKED, Asked, Unchecked
from georeg.region.model import (
    Admitted,
    Basis,
    Claims,
    Ended,
    KickOutcome,
    Listing,
    Outcome,
    Renewed,
    StartRequest,
    Status,
)
from georeg.region.pending import Pending
from georeg.region.ports import Clock
from georeg.region.settings import Settings


class SlicedRegion:
    """A region as one of its nodes has it. Calls about slices that are run elsewhere raise
    `Problem` 503 with the header `Georeg-Elsewhere`: the forwarding in front of the edge looks
    for the right node."""

    def __init__(
        self,
        region: RegionId,
        names: Mapping[RegionId, str],
        settings: Settings,
        clock: Clock,
        parts: Parts,
    ) -> None:
        self.id = region
        self.names = dict(names)
        self.settings = settings
        self.parts = parts
        self._clock = clock
        self.unchecked: Unchecked | None = None
        """What is said for slices that no node runs; None: nothing."""
        self.may_decide: Callable[[int], bool] = parts.__contains__
        """Set by the node: whether it may decide for a slice now. One that is here without that has
        an old memory: another node may run the slice by now."""
        self.store_trouble: Callable[[], str] = lambda: ""
        """Set by the node: why the store is out of reach; empty: it is not."""
        self.is_open = False
        """Whether this node takes calls: it knows who runs which slice."""
        self.drain = SlicedDrain(parts, clock)
        self.report = SlicedReport(region, clock, parts)

    @property
    def name(self) -> str:
        """The region's name."""
        return self.names[self.id]

    @property
    def joined(self) -> bool:
        """A slice is here only when it has joined; the others have joined elsewhere."""
        return True

    @property
    def ready(self) -> bool:
        """Whether this node takes starts."""
        return self.is_open and not self.drain.has_effect

    # ---- devices and backends ----------------------------------------------------------------

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Decide a start by its deadline; answered when it is committed, or at the deadline."""
        if (last := self._last_resort(request.account)) is not None:
            return Pending(last.start(request))
        part = self.parts.of_account(request.account)
        since_ms = self._clock.now_ms()
        answer: Pending[Outcome] = Pending()

        def decided(outcome: Outcome) -> None:
            if not isinstance(outcome, Admitted):
                answer.settle(outcome)
            elif part.is_adrift():
                answer.settle(outcome._replace(basis=Basis.UNCHECKED))
            else:
                self._commit(part, request, since_ms, answer, outcome)

        part.region.start(request).then(decided)
        return answer

    def _last_resort(self, account: str) -> Unchecked | None:
        """Who answers where the account's slice is not to be asked; None: it is."""
        if ASKED.get() is Asked.SLICE or self.may_decide(self.parts.number_of_account(account)):
            return None
        return self.unchecked

    def _commit(
        self,
        part: Part,
        request: StartRequest,
        since_ms: int,
        answer: Pending[Outcome],
        outcome: Admitted,
    ) -> None:
        """Answer when the store has it, or when the start may wait no longer."""

        def settle(error: OSError | None = None) -> None:
            timer.cancel()
            if answer.value is None:
                basis = outcome.basis if error is None else Basis.UNCHECKED
                answer.settle(outcome._replace(basis=basis))

        deadline_ms = request.deadline_ms or self.settings.deadline_ms
        left_ms = max(1, since_ms + deadline_ms - self._clock.now_ms())
        timer = self._clock.call_later(left_ms, settle)
        part.committed(settle)

    def renew(self, session: int, account: str, mark: int = 0, parent: int = 0) -> bool:
        """A heartbeat of a session that lives here."""
        if self._last_resort(account) is not None:
            return ASKED.get() is Asked.RENEWED
        return self.parts.of_session(session).region.renew(session, account, mark, parent)

    def renewer(self) -> Callable[[int, bytes], bool]:
        """`renew` for heartbeats that came together. For use at once."""
        parts = self.parts
        renewers = {part.number: part.region.renewer() for part in parts}

        def renew(session: int, account: bytes) -> bool:
            known = renewers.get(parts.number_of(session))
            return known is not None and known(session, account)

        return renew

    def heartbeat(self, claims: Claims) -> Pending[Renewed | Ended]:
        """A heartbeat of a session that does not live here. Where nobody runs its slice it goes on,
        and the slice is told."""
        if (last := self._last_resort(claims.account)) is not None:
            last.heartbeat(claims)
            return Pending(Renewed(claims.session))
        return self.parts.of_account(claims.account).region.heartbeat(claims)

    def stop(self, claims: Claims) -> Pending[bool] | None:
        """The device ends its session; answered when that is committed, or as late as a start.
        What the store refuses may be known to nobody else, so the slice is told again later."""
        if (last := self._last_resort(claims.account)) is not None:
            last.stop(claims)
            return None
        part = self.parts.of_account(claims.account)
        part.region.stop(claims)
        if part.is_adrift():
            return None
        answer: Pending[bool] = Pending()

        def settle(error: OSError | None = None) -> None:
            timer.cancel()
            if error is not None and self.unchecked is not None:
                self.unchecked.stop(claims)
            if answer.value is None:
                answer.settle(True)

        timer = self._clock.call_later(self.settings.deadline_ms, settle)
        part.committed(settle)
        return answer

    def sessions(self, account: str) -> Listing:
        """All sessions of an account."""
        return self.parts.of_account(account).region.sessions(account)

    def kick(
        self, account: str, session: SessionId, actor: ActorKind, actor_device: str = ""
    ) -> Pending[KickOutcome]:
        """End a session for good."""
        region = self.parts.of_account(account).region
        return region.kick(account, session, actor, actor_device)

    def set_plan(self, account: str, plan: Plan, issued: int) -> bool:
        """Note an account's plan; False when a later statement is known."""
        return self.parts.of_account(account).region.set_plan(account, plan, issued)

    def plan_time(self) -> int:
        """The hybrid time of a plan that is stated now: later than every one seen here."""
        return max(
            [hlc_at(self._clock.wall_ms()), *(region.plan_time() for region in self.parts.regions)]
        )

    def is_live(self, claims: Claims) -> bool:
        """Whether a token's session may go on."""
        return self.parts.of_account(claims.account).region.is_live(claims)

    def watch(self, session: int, callback: Callable[[Ended], None]) -> Callable[[], None]:
        """Call back once when the session ends; returns how to stop watching."""
        return self.parts.of_session(session).region.watch(session, callback)

    def status(self) -> Status:
        """The numbers of the slices that are run here, added up; what is counted, since the start
        of this node."""
        slices = [region.status() for region in self.parts.regions]
        status = sum_of_status(slices, self.ready, self.parts.counted)
        return replace(status, disk_trouble=status.disk_trouble or self.store_trouble())

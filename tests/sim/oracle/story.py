"""Tells small histories by hand: one household, three regions 20 ms apart, everything in order.

Times are seconds. What is not told did not happen; each call takes 20 ms unless told otherwise.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from region_sim.history import (
    Budget,
    Call,
    CallKind,
    Convergence,
    Ended,
    FaultEvent,
    Gone,
    History,
    Joined,
    Learned,
    Life,
    LifeEvent,
    LogLine,
    Probe,
    Told,
)
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Verdict

REGIONS = ("us", "eu", "ap")
Rule = tuple[str, str]


def us(at_s: float) -> int:
    """Seconds as microseconds."""
    return round(at_s * 1e6)


@dataclass
class Story:
    """One household's history while it is told."""

    limit: int = 1
    account: str = "anna"
    history: History = field(
        default_factory=lambda: History(
            7, "story", regions=REGIONS, max_latency_us=20_000, end_us=us(1000),
            round_trips_us={f"{a}>{b}": 20_000 for a in REGIONS for b in REGIONS},
        )
    )  # fmt: skip

    def __post_init__(self) -> None:
        self._ids = count(1)
        self._faults = count()
        self._devices: dict[str, str] = {}
        self.history.joined.append(Joined(0, self.account, "plan", self.limit))

    # ---- what devices and people do ----------------------------------------------------------

    def call(
        self, kind: CallKind, device: str, region: str, at_s: float, status: int,
        body: dict[str, Any] | None = None, *, session: str = "", took_s: float | None = 0.02,
        place: str = "", error: str = "", **request: Any,
    ) -> Call:  # fmt: skip
        """Any call. `took_s` None: its device gave it up."""
        call = Call(
            0, kind, self.account, device, place or region, region, us(at_s), session, request,
            None if took_s is None else us(at_s + took_s), status, body or {}, error,
        )  # fmt: skip
        self.history.calls.append(call)
        return call

    def start(
        self, device: str, region: str, at_s: float, *, basis: str = "granted", id: str = "",
        **options: Any,
    ) -> str:  # fmt: skip
        """A start that is admitted; returns the session's id."""
        session = id or f"{region}-1-{next(self._ids)}"
        self._devices[session] = device
        body = {"session": {"id": session}, "decision": {"basis": basis}, "sessions": []}
        self.call(CallKind.START, device, region, at_s, 201, body, **options)
        return session

    def lost_start(self, device: str, region: str, at_s: float, **options: Any) -> None:
        """A start without an answer."""
        options = {"took_s": 3.0, "error": "timeout"} | options
        self.call(CallKind.START, device, region, at_s, 0, **options)

    def refused(
        self, device: str, region: str, at_s: float, named: list[tuple[str, str]], *,
        limit: int = 0, age_s: float = 0.5, **options: Any,
    ) -> Call:  # fmt: skip
        """A 409 that names sessions, each with how it is known."""
        shown = [
            {
                "id": session, "device": {"id": self._devices.get(session, session)},
                "region": session.split("-")[0], "evidence": {"how": how, "age_s": age_s},
            }
            for session, how in named
        ]  # fmt: skip
        how = named[-1][1] if named else "local"
        body = {"limit": limit or self.limit, "evidence": how, "sessions": shown}
        return self.call(CallKind.START, device, region, at_s, 409, body, **options)

    def beat(self, session: str, region: str, at_s: float, ended: str = "", **options: Any) -> Call:
        """A heartbeat that is answered 200, or 410 with a reason."""
        status, body = (410, {"reason": ended}) if ended else (200, {})
        status = options.pop("status", status)
        device = options.pop("device", self._devices[session])
        return self.call(
            CallKind.HEARTBEAT, device, region, at_s, status, body, session=session, **options
        )

    def beats(self, session: str, region: str, from_s: float, to_s: float) -> None:
        """Heartbeats every 30 s."""
        at_s = from_s
        while at_s <= to_s:
            self.beat(session, region, at_s)
            at_s += 30

    def stop(
        self, session: str, region: str, at_s: float, status: int = 204, **options: Any
    ) -> None:
        """The device stops its session."""
        device = self._devices[session]
        self.call(CallKind.STOP, device, region, at_s, status, session=session, **options)

    def kick(
        self, session: str, region: str, at_s: float, status: int = 200, **options: Any
    ) -> None:
        """Somebody kicks a session."""
        shown = {"id": session, "region": session.split("-")[0]}
        body = {"effect": "ended", "session": shown} if status == 200 else {}
        self.call(CallKind.KICK, "", region, at_s, status, body, session=session, **options)

    def plan(self, at_s: float, limit: int) -> None:
        """The household takes another plan."""
        self.history.joined.append(Joined(us(at_s), self.account, "other", limit))

    def gone(self, session: str, at_s: float) -> None:
        """A device closes without a word."""
        device = self._devices[session]
        self.history.gone.append(Gone(us(at_s), self.account, device, session))

    def told(self, session: str, region: str, at_s: float, reason: str) -> None:
        """The event stream tells a device of its end."""
        device = self._devices[session]
        self.history.told.append(Told(us(at_s), self.account, device, session, region, reason))

    # ---- what regions do ---------------------------------------------------------------------

    def ended(
        self, session: str, region: str, at_s: float, reason: str, *, is_kick: bool = True,
        by: str = "", evidence: tuple[str, ...] = (), device: str = "",
    ) -> None:  # fmt: skip
        """A region ends a session."""
        device = device or self._devices[session]
        self.history.ended.append(
            Ended(us(at_s), region, self.account, session, device, reason, is_kick, by, evidence)
        )

    def learned(self, session: str, region: str, at_s: float) -> None:
        """A region hears of a kick."""
        self.history.learned.append(Learned(us(at_s), region, session))

    def budget(self, at_s: float, homes: int = 1, **usable: int) -> None:
        """What regions could use at an instant."""
        self.history.budgets.append(Budget(us(at_s), self.account, self.limit, usable, homes))

    def probe(self, at_s: float, region: str, **counters: int) -> None:
        """What a region says of itself."""
        self.history.probes.append(Probe(us(at_s), region, 0, 0, 0, 0, 0, counters))

    def log(self, at_s: float, region: str, event: str) -> None:
        """A region logs an error."""
        self.history.logs.append(LogLine(us(at_s), region, event, "details"))

    def converged(self, *problems: str, agreed_s: float | None = 101.0) -> None:
        """A look after healing at 100 s, with 3 s to agree."""
        agreed_us = None if agreed_s is None else us(agreed_s)
        self.history.convergence.append(Convergence(us(105), us(100), us(103), problems, agreed_us))

    # ---- what goes wrong ---------------------------------------------------------------------

    def fault(
        self, kind: str, from_s: float, to_s: float, *, links: str = "", regions: str = "",
        note: str = "", node: int = 0,
    ) -> None:  # fmt: skip
        """A fault; links as `us>eu`, separated by commas."""
        number = next(self._faults)
        pairs = tuple((a, b) for a, _, b in (x.partition(">") for x in links.split(",") if x))
        names = tuple(name for name in regions.split(",") if name)
        for at_s, is_begin in ((from_s, True), (to_s, False)):
            event = FaultEvent(us(at_s), number, kind, is_begin, names, pairs, note, node)
            self.history.faults.append(event)

    def cut(self, from_s: float, to_s: float, region: str = "us") -> None:
        """One region and the others do not see one another."""
        links = [f"{region}>{b},{b}>{region}" for b in REGIONS if b != region]
        self.fault("cut", from_s, to_s, links=",".join(links), note="drop")

    def cut_link(self, from_s: float, to_s: float, a: str = "us", b: str = "eu") -> None:
        """Two regions do not see one another; the third sees both."""
        self.fault("cut", from_s, to_s, links=f"{a}>{b},{b}>{a}", note="drop")

    def kill(self, region: str, from_s: float, to_s: float, how: str = "crash") -> None:
        """A region's process dies and is ready again at the end."""
        self.fault("kill", from_s, to_s - 1, regions=region, note=how)
        self.life(region, from_s, Life.KILLED)
        self.life(region, to_s - 1, Life.BOOTED)
        self.life(region, to_s, Life.READY)

    def life(self, region: str, at_s: float, what: Life, note: str = "") -> None:
        """A region's process changes."""
        self.history.lives.append(LifeEvent(us(at_s), region, what, note))

    def drain(self, region: str, from_s: float, to_s: float) -> None:
        """An operator drains a region, and undrains it."""
        self.fault("drain", from_s, to_s, regions=region, note="operator")
        self.life(region, from_s, Life.DRAINING, "operator")
        self.life(region, to_s, Life.UNDRAINED)

    # ---- the end -----------------------------------------------------------------------------

    def judged(self, *expects: str) -> Verdict:
        """The verdict, with all records in the order of their times."""
        history = self.history
        history.calls.sort(key=lambda call: call.sent_us)
        for number, call in enumerate(history.calls, start=1):
            call.number = number
        for records in (history.joined, history.faults, history.lives, history.ended):
            records.sort(key=lambda record: record.at_us)  # type: ignore[attr-defined]
        return judge(history, expects=expects)

    def broken(self) -> list[Rule]:
        """Promise and rule of each finding."""
        return [(finding.promise, finding.rule) for finding in self.judged().findings]

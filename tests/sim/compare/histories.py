"""Histories of one household, written by hand: times in seconds, one account `a`."""

from typing import Any

from region_sim.history import Call, CallKind, Gone, History, Joined

S = 1_000_000


class Evening:
    """What happened in it, in order."""

    def __init__(self, limit: int = 1) -> None:
        self.history = History(1, "test", "georeg", ("us", "eu", "ap"), end_us=1_000 * S)
        self.history.joined.append(Joined(0, "a", "plan", limit))

    def call(
        self,
        kind: CallKind,
        at_s: float,
        status: int,
        device: str = "tv",
        session: str = "",
        body: dict[str, Any] | None = None,
        **request: Any,
    ) -> Call:
        calls = self.history.calls
        at_us = round(at_s * S)
        call = Call(len(calls) + 1, kind, "a", device, "us", "us", at_us, session, dict(request))
        call.status, call.body, call.answered_us = status, body or {}, at_us
        calls.append(call)
        return call

    def start(self, at_s: float, device: str, **request: Any) -> str:
        """An admitted start; the session's id."""
        session = f"us-1-{len(self.history.calls) + 1:x}"
        body = {"session": {"id": session, "device": {"id": device}}}
        self.call(CallKind.START, at_s, 201, device, body=body, **request)
        return session

    def refused(self, at_s: float, device: str, limit: int = 1) -> Call:
        body = {"limit": limit, "sessions": []}
        return self.call(CallKind.START, at_s, 409, device, body=body)

    def beat(self, at_s: float, session: str, status: int = 200, **request: Any) -> Call:
        body = {"reason": request.pop("reason", "kicked")} if status == 410 else {}
        return self.call(CallKind.HEARTBEAT, at_s, status, session=session, body=body, **request)

    def stop(self, at_s: float, session: str, status: int = 204) -> Call:
        return self.call(CallKind.STOP, at_s, status, session=session)

    def kick(self, at_s: float, session: str, status: int = 200) -> Call:
        return self.call(CallKind.KICK, at_s, status, session=session)

    def gone(self, at_s: float, session: str, device: str = "tv") -> None:
        self.history.gone.append(Gone(round(at_s * S), "a", device, session))

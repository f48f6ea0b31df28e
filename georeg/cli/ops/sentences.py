"""Decisions of regions as sentences: what was decided, and on which evidence. Pure.

One sentence a decision, without the time: "eu refused phone-2: Basic allows 1; tv-1 in us was live,
confirmed 41ms earlier". Devices are called by their names where regions remember them, else by id;
a session whose device no record names is called by its own id.
"""

from collections.abc import Callable, Iterable
from typing import Final

from georeg.cli.ops.client import Json
from georeg.cli.ops.words import duration, number

_BASIS: Final = {
    "granted": "on a slot that {region} held",
    "borrowed": "on a slot that the home lent for it",
    "overdraft": "without a slot: the regions that answered in time did not prove the limit full",
}
_EVIDENCE: Final = {
    "local": "heard there {age} earlier",
    "confirmed": "confirmed {age} earlier",
    "beacon": "by a beacon {age} old",
}
_ENDED: Final = {
    "lapsed": "{region} ended {device}: no heartbeat within its lease",
    "displaced": "{region} gave the slot of {device} away: it had missed two heartbeats",
    "stopped": "{device} stopped; {region} held it",
    "expired": "{region} ended {device}: it had reached the longest time a session may last",
}
_KICKED: Final = {
    "superseded": "the same device started anew",
    "replaced": "another device was started in its place",
}
_BY: Final = {
    "account": "by the account",
    "device": "by a device of the account",
    "operator": "by an operator",
    "system": "since two devices used its token",
}

Naming = Callable[[str], str]
"""From a session's id to how its device is called."""


def device_text(device: Json) -> str:
    """A device as a person knows it."""
    name, id_ = device["name"], device["id"]
    return f"{name} ({id_})" if name and name != id_ else str(id_)


def naming(decisions: Iterable[Json]) -> Naming:
    """How to call a session, by what any of the decisions says of its device."""
    known: dict[str, Json] = {}

    def learn(session: str | None, device: Json | None) -> None:
        if session is not None and device is not None:
            has_name = bool(known.get(session, {}).get("name"))
            known[session] = known[session] if has_name else device

    for decision in decisions:
        learn(decision["session"], decision["device"])
        for seen in decision["seen"]:
            learn(seen["session"], seen["device"])
    return lambda session: device_text(known[session]) if session in known else session


def sentence(decision: Json, call: Naming) -> str:
    """One decision of the region `decided_by`."""
    return _SENTENCES[decision["kind"]](decision, call)


def _who(decision: Json, call: Naming) -> str:
    session = decision["session"]
    return call(session) if session is not None else device_text(decision["device"])


def _allows(decision: Json) -> str:
    plan = decision["plan"]
    named = plan[:1].upper() + plan[1:] if plan else "its plan, unknown then,"
    return f"{named} allows {number(decision['limit'])}"


def _decided(decision: Json) -> str:
    took_s = decision["took_s"]
    return f" (decided after {duration(took_s)})" if took_s else ""


def _admitted(decision: Json, call: Naming) -> str:
    region, who = decision["decided_by"], _who(decision, call)
    did = "let {} go on after its silence" if decision["kind"] == "revived" else "admitted {}"
    basis = _BASIS[decision["word"]].format(region=region)
    others = [f"{call(s['session'])} in {s['region']}" for s in decision["seen"]]
    beside = f"; beside {', '.join(others)}" if others else ""
    count = f"{number(decision['live'])} played then, {_allows(decision)}"
    return f"{region} {did.format(who)} {basis}; {count}{beside}{_decided(decision)}"


def _refused(decision: Json, call: Naming) -> str:
    region, who = decision["decided_by"], _who(decision, call)
    did = f"refused {who}" if decision["session"] is None else f"did not let {who} go on"
    reasons = [_allows(decision), *(_witness(seen, call) for seen in decision["seen"])]
    more = decision["live"] - len({seen["device"]["id"] for seen in decision["seen"]})
    if more > 0:
        reasons.append(f"and {number(more)} more")
    return f"{region} {did}: {'; '.join(reasons)}{_decided(decision)}"


def _witness(seen: Json, call: Naming) -> str:
    age = _EVIDENCE[seen["how"]].format(age=duration(seen["age_s"]))
    return f"{call(seen['session'])} in {seen['region']} was live, {age}"


def _adopted(decision: Json, call: Naming) -> str:
    region, who = decision["decided_by"], _who(decision, call)
    if decision["region"] == region:
        return f"{region} took {who} up again, which it had held before a restart"
    return f"{region} took {who} over from {decision['region']}: its device came there"


def _covered(decision: Json, call: Naming) -> str:
    return f"{decision['decided_by']} got a slot for {_who(decision, call)}: no overdraft any more"


def _may_finish(decision: Json, call: Naming) -> str:
    return (
        f"{decision['decided_by']} learned that {_who(decision, call)} is beyond the limit, when "
        "it had played for a while: it may finish"
    )


def _ended(decision: Json, call: Naming) -> str:
    words = _ENDED[decision["word"]]
    return words.format(region=decision["decided_by"], device=_who(decision, call))


def _moved(decision: Json, call: Naming) -> str:
    region, who = decision["decided_by"], _who(decision, call)
    return f"{region} gave {who} up: {decision['region']} holds it now"


def _why(decision: Json) -> str:
    """The reason of a kick."""
    reason, actor, who = decision["word"], decision["actor"], decision["who"]
    if reason in _KICKED:
        return f": {_KICKED[reason]}" + (f", {who}" if who and reason == "replaced" else "")
    if reason == "limit":
        if actor == "device":
            return ": its plan ends the oldest when another device starts"
        return ": an overdraft, and beyond the limit"
    return f", {_BY[actor]}" + (f", {who}" if who else "")


def _kicked(decision: Json, call: Naming) -> str:
    region, who, holder = decision["decided_by"], _who(decision, call), decision["region"]
    where = f" in {holder}" if holder not in (None, region) else ""
    return f"{region} ended {who}{where}{_why(decision)}"


def _heard_kick(decision: Json, call: Naming) -> str:
    return f"{decision['decided_by']} heard that {_who(decision, call)} was ended{_why(decision)}"


def _stop_passed_on(decision: Json, call: Naming) -> str:
    return f"{_who(decision, call)} stopped at {decision['decided_by']}, which told the others"


def _heard_stop(decision: Json, call: Naming) -> str:
    holder = decision["region"]
    where = f"; {holder} held it" if holder is not None else ""
    return f"{decision['decided_by']} heard that {_who(decision, call)} has stopped{where}"


def _home_given(decision: Json, _call: Naming) -> str:
    region, to = decision["decided_by"], decision["region"]
    return f"{region} made {to} the account's home: it had streamed nowhere else for long enough"


def _home_taken(decision: Json, _call: Naming) -> str:
    region, before = decision["decided_by"], decision["region"]
    return f"{region} is the account's home from here on, after {before}"


_SENTENCES: Final[dict[str, Callable[[Json, Naming], str]]] = {
    "admitted": _admitted,
    "revived": _admitted,
    "refused": _refused,
    "adopted": _adopted,
    "covered": _covered,
    "may_finish": _may_finish,
    "kicked": _kicked,
    "ended": _ended,
    "moved": _moved,
    "stop_passed_on": _stop_passed_on,
    "heard_kick": _heard_kick,
    "heard_stop": _heard_stop,
    "home_given": _home_given,
    "home_taken": _home_taken,
}

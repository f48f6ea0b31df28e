"""What stands in the journal's rows: events and numbers, each with a checksum.

SQLite notices that its own structure is damaged, not that the content of a row is. A kick that
names another session, or an incarnation that was used before, would be worse than none; so each
value is sealed with a CRC-32, and what does not fit its seal, or the columns beside it, is damage.
"""

from typing import Final
from zlib import crc32

from crdt.codec import encode_event, pack, read_add, read_other, unpack
from crdt.dots import DOT_MAX, Dot
from crdt.errors import CrdtError
from crdt.events import Entry, HomeSet, Kick, PlanSet

EVENT_BYTES_MAX: Final = 4096
_SEAL_BYTES: Final = 4

KickRow = tuple[bytes, int, int, bytes]
PlanRow = tuple[str, bytes, bytes]
HomeRow = tuple[str, int, bytes]
SessionRow = tuple[bytes, bytes, bytes]


class Damage(ValueError):
    """A row is not what was written."""


WRONG: Final = (Damage, CrdtError, TypeError)
"""What reading a row raises that is not what was written."""


def key(number: int) -> bytes:
    """64 bits without a sign, which SQLite's integers have; in the same order."""
    return number.to_bytes(8, "big")


def read_key(data: object) -> int:
    """That number; the highest one for what is no key, so that whoever goes on from it ends."""
    return int.from_bytes(data, "big") if type(data) is bytes and len(data) == 8 else DOT_MAX


def sealed(data: bytes) -> bytes:
    """The data with its checksum in front."""
    return crc32(data).to_bytes(_SEAL_BYTES, "big") + data


def unsealed(blob: object) -> bytes:
    """What was sealed. Raises one of WRONG."""
    if type(blob) is not bytes or len(blob) > EVENT_BYTES_MAX:
        raise Damage("no bytes of that size were written")
    data = blob[_SEAL_BYTES:]
    if crc32(data).to_bytes(_SEAL_BYTES, "big") != blob[:_SEAL_BYTES]:
        raise Damage("the checksum differs")
    return data


def kick_row(kick: Kick) -> KickRow:
    """session, at_ms, expires_s, event."""
    return (key(kick.session), kick.at_ms, kick.expires_s, sealed(encode_event(kick)))


def read_kick(row: KickRow) -> Kick:
    """The kick of a row. Raises one of WRONG."""
    session, at_ms, expires_s, event = row
    kick = read_other(unpack(unsealed(event), EVENT_BYTES_MAX), Kick)
    if (key(kick.session), kick.at_ms, kick.expires_s) != (session, at_ms, expires_s):
        raise Damage("a kick stands in another one's row")
    return kick


def plan_row(plan: PlanSet) -> PlanRow:
    """account, issued, event."""
    return (plan.account, key(plan.issued), sealed(encode_event(plan)))


def read_plan(row: PlanRow) -> PlanSet:
    """The plan of a row. Raises one of WRONG."""
    account, issued, event = row
    plan = read_other(unpack(unsealed(event), EVENT_BYTES_MAX), PlanSet)
    if (plan.account, key(plan.issued)) != (account, issued):
        raise Damage("a plan stands in another one's row")
    return plan


def home_row(home: HomeSet) -> HomeRow:
    """account, number, event."""
    return (home.account, home.number, sealed(encode_event(home)))


def read_home(row: HomeRow) -> HomeSet:
    """The home of a row. Raises one of WRONG."""
    account, number, event = row
    home = read_other(unpack(unsealed(event), EVENT_BYTES_MAX), HomeSet)
    if (home.account, home.number) != (account, number):
        raise Damage("a home stands in another one's row")
    return home


def session_row(entry: Entry) -> SessionRow:
    """session, dot, event; the dot is not in the event, so it is sealed with it."""
    data = key(entry.dot) + encode_event(entry)
    return (key(entry.session), key(entry.dot), sealed(data))


def read_session(row: SessionRow) -> Entry:
    """The session of a row. Raises one of WRONG."""
    session, dot, event = row
    data = unsealed(event)
    entry = read_add(unpack(data[8:], EVENT_BYTES_MAX), Dot(int.from_bytes(data[:8], "big")))
    if (key(entry.session), key(entry.dot)) != (session, dot):
        raise Damage("a session stands in another one's row")
    return entry


def fact_value(name: str, number: int) -> bytes:
    """A number with the name of what it says, sealed."""
    return sealed(pack([name, number]))


def read_fact(name: object, blob: object) -> int:
    """That number. Raises one of WRONG."""
    fact = unpack(unsealed(blob), EVENT_BYTES_MAX)
    if type(fact) is not list or len(fact) != 2 or fact[0] != name or type(fact[1]) is not int:
        raise Damage("a number stands in another one's row")
    return fact[1]

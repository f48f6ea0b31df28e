"""What became of a start, written as text: the 201, and what the 409 adds to its problem.

Invariant: byte for byte what `Renderer.admitted` and `Renderer.refused` say as JSON; a test
compares the two on any values. Why twice: building the dicts of a 201 and encoding them takes
10 us, filling in a text 3, and the new session, which stands in it by itself and among the
account's, is written once. A refusal that names two sessions costs 13 us less in all.
"""

from json.encoder import encode_basestring_ascii as quoted

from georeg.edge.instants import instant
from georeg.edge.render import Renderer
from georeg.region.model import Admitted, Blocker, Refused, SessionInfo


def started(
    render: Renderer, outcome: Admitted, token: str, heartbeat_s: float, lease_s: float
) -> bytes:
    """The body. `heartbeat_s`, `lease_s`: numbers that JSON has too, so no infinity."""
    new = outcome.info
    device = new.device.id
    own = _session(render, new, device)
    sessions = ",".join(
        [own if info is new else _session(render, info, device) for info in outcome.sessions]
    )
    return (
        f'{{"session":{own},"token":"{token}"'
        f',"heartbeat_interval_s":{heartbeat_s},"lease_s":{lease_s}'
        f',"decision":{{"basis":"{outcome.basis}","limit":{outcome.limit}'
        f',"live":{outcome.live},"took_ms":{outcome.took_ms}}},"sessions":[{sessions}]}}'
    ).encode()


def refused(render: Renderer, outcome: Refused, this_device: str) -> str:
    """Members of a JSON object, without its braces."""
    blockers = outcome.blockers
    sessions = ",".join([_blocker(render, blocker, this_device) for blocker in blockers])
    written = f'"limit":{outcome.limit},"evidence":"{outcome.how}","sessions":[{sessions}]'
    if not blockers:
        return written
    free_ms = min([blocker.info.lapses_ms for blocker in blockers])
    return f'{written},"slot_free_at":"{instant(free_ms)}"'


def _blocker(render: Renderer, blocker: Blocker, this_device: str) -> str:
    session = _session(render, blocker.info, this_device)
    return (
        f'{session[:-1]},"evidence":{{"how":"{blocker.how}","age_s":{blocker.age_ms / 1000}}}}}'
    )


def _session(render: Renderer, info: SessionInfo, this_device: str) -> str:
    """As `Renderer.session`. Ids, names of regions, times and states need no quoting."""
    device = info.device
    return (
        f'{{"id":"{render.session_id(info.session)}","account":{quoted(info.account)}'
        f',"device":{{"id":{quoted(device.id)},"name":{quoted(device.name)}'
        f',"kind":{quoted(device.kind)}}},"region":"{render.name_of(info.region)}"'
        f',"started_at":"{instant(info.started_ms)}","last_seen_at":"{instant(info.last_seen_ms)}"'
        f',"state":"{info.state}","title":{quoted(info.title)}'
        f',"this_device":{"true" if this_device and device.id == this_device else "false"}}}'
    )

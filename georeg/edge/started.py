"""The 201 of a start, written as text: the answer that is made most, after that of a heartbeat.

Invariant: byte for byte what `Renderer.admitted` says as JSON; a test compares the two on any
values. Why twice: building dicts and encoding them takes 10 us, filling in a text 3, and the new
session, which stands in the answer by itself and among the account's, is written once.
"""

from json.encoder import encode_basestring_ascii as quoted

from georeg.edge.instants import instant
from georeg.edge.render import Renderer
from georeg.region.model import Admitted, SessionInfo


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

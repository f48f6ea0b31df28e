"""The text of an answer to a start is the same as its document, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import INCARNATION_MAX, SEQUENCE_BITS, RegionId, SessionId, pack
from crdt.events import Device
from georeg.edge.outcomes import refused, started
from georeg.edge.problems import LIMIT_REACHED, Problem, to_json
from georeg.edge.render import Renderer
from georeg.region.model import Admitted, Basis, Blocker, How, Refused, SessionInfo, State

RENDER = Renderer({RegionId(1): "us", RegionId(2): "eu-west-2"})
TEXTS = st.text(max_size=12) | st.sampled_from(['"', "\\", "\u2028", "\x7f", "</script>", "\u65e5"])
TIMES = st.integers(0, 4_102_444_800_000)
IDS = st.builds(
    pack,
    st.integers(1, 3),
    st.integers(1, INCARNATION_MAX),
    st.integers(1, (1 << SEQUENCE_BITS) - 1),
)
SESSIONS = st.builds(
    SessionInfo,
    session=IDS.map(SessionId),
    account=TEXTS,
    device=st.builds(Device, TEXTS, TEXTS, TEXTS),
    title=TEXTS,
    region=st.integers(1, 3).map(RegionId),
    started_ms=TIMES,
    last_seen_ms=TIMES,
    state=st.sampled_from(State),
    deadline_s=st.just(0),
    lapses_ms=TIMES,
)
BLOCKERS = st.builds(Blocker, SESSIONS, st.sampled_from(How), st.integers(0, 10_000_000))
NUMBERS = st.integers(0, 9)


@given(SESSIONS, st.lists(SESSIONS, max_size=3), st.sampled_from(Basis), NUMBERS, st.data())
def test_a_start_is_admitted_in_the_words_of_its_document(
    new: SessionInfo, others: list[SessionInfo], basis: Basis, number: int, data: st.DataObject
) -> None:
    sessions = tuple(data.draw(st.permutations([new, *others])))
    outcome = Admitted(new, basis, number, len(sessions), number, sessions)
    for heartbeat_s, lease_s in ((30, 90), (0.25, 7.5)):
        document = RENDER.admitted(outcome, "a-token_", heartbeat_s, lease_s)
        assert started(RENDER, outcome, "a-token_", heartbeat_s, lease_s) == to_json(document)


@given(st.lists(BLOCKERS, max_size=3), st.sampled_from(How), NUMBERS, TEXTS)
def test_a_start_is_refused_in_the_words_of_its_document(
    blockers: list[Blocker], how: How, number: int, own: str
) -> None:
    outcome = Refused(number, how, tuple(blockers), number)
    for device in (own, *[blocker.info.device.id for blocker in blockers]):
        members = RENDER.refused(outcome, device)
        written = Problem(LIMIT_REACHED, "why", written=refused(RENDER, outcome, device))
        assert written.body() == Problem(LIMIT_REACHED, "why", members=members).body()

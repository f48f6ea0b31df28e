"""Calls for another node share a connection, and each of them ends, whatever that node does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientSession, web

from georeg.mesh import MeshSettings
from georeg.mesh.door import Door
from georeg.mesh.proofs import prove
from georeg.nodes import line
from georeg.nodes.frames import Answer, framed
from georeg.nodes.passing import CALLS_PATH, PASSED_ON
from georeg.nodes.proof import _PERSON, Proof
from tests.nodes.world import KEY, World, account_in

OF_B = account_in(2)
PATH = f"/v1/accounts/{OF_B}/sessions"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("georeg.nodes.front.OTHER_WAIT_S", 0.1)
    async with World() as world:
        yield world


def slow_calls(world: World, is_slow: Callable[[web.Request], bool]) -> asyncio.Event:
    """Let node b answer some calls only once the event is set."""
    front, may_answer = world.nodes["b"].front, asyncio.Event()
    real = front.handler

    async def handler(request: web.Request) -> web.StreamResponse:
        if is_slow(request):
            await may_answer.wait()
        return await real(request)

    front.before(handler)
    return may_answer


async def get(world: World, more: str = "") -> int:
    return (await world.call("a", "GET", PATH + more))[0]


async def told(world: World) -> int:
    """What node b says to one more call of node a, past `Front`."""
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    return await passing.tell(address, "GET", PATH)


async def test_a_call_that_waits_holds_up_no_other(world: World) -> None:
    may_answer = slow_calls(world, lambda request: "slow" in request.query_string)
    waiting = asyncio.ensure_future(get(world, "?slow"))
    for _ in range(3):
        assert await get(world) == 200
    assert not waiting.done()
    may_answer.set()
    assert await waiting == 422, "there is no such query"


async def test_calls_that_come_together_go_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def counted(packed: list[bytes]) -> bytes:
        before = len(packed)
        frame = framed(packed)
        sizes.append(before - len(packed))
        return frame

    monkeypatch.setattr("georeg.nodes.line.framed", counted)
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    answers = await asyncio.gather(*(passing.tell(address, "GET", PATH) for _ in range(50)))
    assert set(answers) == {200}
    assert sum(sizes) == 50
    assert max(sizes) > 10


async def raw(world: World, node: str, request: bytes) -> bytes:
    """An answer as it comes out of the socket."""
    host, port = world.table.addresses[node].edge_url.rpartition("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    body = await reader.readexactly(0 if request.startswith(b"HEAD") else length)
    writer.close()
    lines = sorted(line for line in head.split(b"\r\n") if not line.startswith(b"Date:"))
    return b"\r\n".join([*lines, body])


@pytest.mark.parametrize(
    "request_of",
    [
        b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 21\r\n"
        b'\r\n{"device":{"id":"b"}}',
        b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET %b HTTP/1.0\r\n\r\n",
        b"HEAD %b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET %b?device=nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"PATCH %b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS %b HTTP/1.1\r\nHost: x\r\nOrigin: http://p\r\n\r\n",
        b"DELETE %b/us-nothing HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_the_answer_is_that_of_the_right_node_to_the_byte(
    world: World, request_of: bytes
) -> None:
    assert (await world.start("b", OF_B, "a"))[0] == 201, "the account is full"
    request = request_of % PATH.encode()
    assert await raw(world, "a", request) == await raw(world, "b", request)


async def test_a_node_that_says_nothing_is_left_until_it_is_there_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.line.SILENT_S", 0.2)
    monkeypatch.setattr("georeg.nodes.calls.ALIVE_S", 60.0)
    callers: list[web.Request] = []

    def is_slow(request: web.Request) -> bool:
        callers.append(request)
        return True

    may_answer = slow_calls(world, is_slow)
    assert set(await asyncio.gather(*(told(world) for _ in range(5)))) == {0}
    assert world.nodes["a"].passing.is_silent("b")
    assert await told(world) == 0, "nobody waits again"
    assert len(callers) == 5
    async with asyncio.timeout(2):
        while not all(each.transport is None or each.transport.is_closing() for each in callers):  # noqa: ASYNC110 - a socket
            await asyncio.sleep(0.001)
    may_answer.set()
    async with asyncio.timeout(2):
        while world.nodes["a"].passing.is_silent("b"):  # noqa: ASYNC110 - it is dialled anew
            await asyncio.sleep(0.001)
    assert await told(world) == 200


async def test_a_node_that_says_that_it_is_there_is_only_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.line.SILENT_S", 0.4)
    monkeypatch.setattr("georeg.nodes.calls.ALIVE_S", 0.05)
    messages, answers_in = [], line.answers_in

    def counted(frame: bytes) -> list[Answer]:
        messages.append(len(frame))
        return answers_in(frame)

    monkeypatch.setattr("georeg.nodes.line.answers_in", counted)
    may_answer = slow_calls(world, lambda request: "slow" in request.query_string)
    waiting = asyncio.ensure_future(get(world, "?slow"))
    async with asyncio.timeout(5):
        while len(messages) < 16:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.01)
    may_answer.set()
    assert await waiting == 422


async def test_calls_end_when_their_node_dies_and_the_next_one_finds_it_again(
    world: World,
) -> None:
    may_answer = slow_calls(world, lambda _request: True)
    waiting = [asyncio.ensure_future(told(world)) for _ in range(3)]
    node = world.nodes["b"]
    async with asyncio.timeout(2):
        while node.door.proven == 0:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.001)
    port, taken = node.door.port, node.door.paths
    await node.door.stop()
    assert await asyncio.gather(*waiting) == [0, 0, 0]
    assert await told(world) == 0
    may_answer.set()
    node.door = Door(MeshSettings(), None)
    node.door.paths = taken
    await node.door.start("127.0.0.1", port)
    async with asyncio.timeout(2):
        while await told(world) != 200:  # noqa: ASYNC110 - it is dialled anew
            await asyncio.sleep(0.001)


async def test_more_calls_than_may_be_under_way_are_put_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.line.CALLS_MAX", 2)
    may_answer = slow_calls(world, lambda _request: True)
    waiting = [asyncio.ensure_future(get(world)) for _ in range(3)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [503]
    may_answer.set()
    assert sorted(await asyncio.gather(*waiting)) == [200, 200, 503]


async def test_a_node_that_sends_more_calls_than_may_be_is_hung_up_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.calls.CALLS_MAX", 2)
    slow_calls(world, lambda _request: True)
    assert set(await asyncio.gather(*(told(world) for _ in range(5)))) == {0}


async def test_before_its_edge_has_begun_a_node_runs_nothing_for_others(world: World) -> None:
    world.nodes["b"].front._handler = None
    assert await told(world) == 0
    assert await world.nodes["a"].passing.tell(
        world.table.addresses["b"], "GET", "/nodes/store/0"
    ) == 200, "what needs no edge is answered"


async def test_a_bug_behind_a_call_is_one_500(world: World) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise RuntimeError("a bug")

    front = world.nodes["b"].front
    real = front.handler
    front.before(handler)
    assert await told(world) == 500
    front.before(real)
    assert await told(world) == 200


@pytest.mark.parametrize(
    ("cluster", "region", "key"),
    [("test", "us", bytes(32)), ("test", "eu", KEY), ("other", "us", KEY)],
)
async def test_who_cannot_prove_to_be_a_node_of_the_region_is_not_served(
    world: World, cluster: str, region: str, key: bytes
) -> None:
    node = world.nodes["a"]
    node.passing._proof = Proof(cluster, region, [key])
    assert await told(world) == 0
    assert world.nodes["b"].door.proven == 0
    node.passing._proof = Proof("test", "us", [KEY, bytes(32)])
    async with asyncio.timeout(2):
        while await told(world) != 200:  # noqa: ASYNC110 - it is dialled anew
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("sent", [b"", b"x" * 65, b"x" * 64, b"x" * 400, "text"])
async def test_a_proof_that_is_none_is_refused(world: World, sent: bytes | str) -> None:
    url = world.table.addresses["b"].mesh_url + CALLS_PATH
    async with ClientSession() as session, session.ws_connect(url) as socket:
        assert len(await socket.receive_bytes()) == 32
        await (socket.send_bytes(sent) if isinstance(sent, bytes) else socket.send_str(sent))
        await socket.receive()
        assert socket.close_code in (4000, 4004)


async def test_a_proof_is_good_for_one_connection(world: World) -> None:
    """One that was overheard says nothing: each side draws a nonce of its own."""
    url = world.table.addresses["b"].mesh_url + CALLS_PATH
    proof = Proof("test", "us", [KEY])
    async with ClientSession() as session:
        async with session.ws_connect(url) as socket:
            challenge = await socket.receive_bytes()
            signed = proof._signed(b"D", challenge, bytes(32), b"a")
            good = bytes(32) + prove([KEY], signed, _PERSON) + b"a"
            await socket.send_bytes(good)
            assert len(await socket.receive_bytes()) == 32, "so it would have been let in"
        async with session.ws_connect(url) as socket:
            await socket.receive_bytes()
            await socket.send_bytes(good)
            await socket.receive()
            assert socket.close_code == 4004


async def test_event_streams_cannot_be_asked_for_among_calls(world: World) -> None:
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    assert await passing.tell(address, "GET", "/v1/sessions/events") == 0


async def test_a_body_that_is_too_large_for_its_call_ends_the_connection(world: World) -> None:
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    assert await passing.post(address, PATH, b"x" * 20_000) is None


async def test_what_another_node_has_passed_on_is_passed_on_no_further(world: World) -> None:
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    of_a = f"/v1/accounts/{account_in(0)}/sessions"
    assert await passing.tell(address, "GET", of_a) == 0
    status, _, headers = await world.call("b", "GET", of_a, headers={PASSED_ON: "c"})
    assert (status, "Georeg-Elsewhere" in headers) == (503, True)

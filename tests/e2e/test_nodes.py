"""A region of many nodes as its devices have it: any node answers, and none is missed."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgpack
import pytest

from tests.cli.processes import eventually
from tests.e2e.client import Answer
from tests.e2e.cluster import Cluster, Node

pytestmark = pytest.mark.redis
TAKEN_OVER_S = 3.0
HEARTBEAT_S = 1.0


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    """One region of two nodes, and another region beside it."""
    return {"names": ("us", "eu"), "nodes": 2}


@pytest.fixture
def nodes(cluster: Cluster) -> list[Node]:
    cluster.heal()
    return cluster["us"].nodes


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


class Household:
    """Devices that play, each on an account of its own, and call the nodes in turn."""

    def __init__(self, http: aiohttp.ClientSession, nodes: list[Node], name: str) -> None:
        self.http = http
        self.nodes = nodes
        self.name = name
        self.answers: Counter[str] = Counter()
        self.tokens: dict[int, str] = {}
        self.is_over = False

    async def call(self, method: str, path: str, at: int, **options: Any) -> tuple[int, Any]:
        """A call to one node; where nobody listens, to the next one."""
        for attempt in range(200):
            node = self.nodes[(at + attempt) % len(self.nodes)]
            try:
                async with self.http.request(
                    method, node.plan.address + path, **options
                ) as response:
                    return response.status, await response.json(content_type=None)
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
        raise AssertionError("no node answers")

    def account(self, number: int) -> str:
        return f"{self.name}-{number}"

    async def start(self, number: int, device: str = "tv") -> tuple[int, Any]:
        return await self.call(
            "POST", f"/v1/accounts/{self.account(number)}/sessions", number,
            json={"device": {"id": device}, "plan": "basic"},
        )  # fmt: skip

    async def play(self, number: int) -> None:
        """Start and heartbeat until it is over."""
        status, body = await self.start(number)
        self.answers[f"start {status}"] += 1
        self.tokens[number] = body["token"]
        at = number
        while not self.is_over:
            await asyncio.sleep(HEARTBEAT_S * 0.8)
            at += 1
            headers = {"Authorization": f"Bearer {self.tokens[number]}"}
            status, body = await self.call("POST", "/v1/sessions/heartbeat", at, headers=headers)
            self.answers[f"heartbeat {status}"] += 1
            self.tokens[number] = body.get("token", self.tokens[number])

    async def others_at_once(self, count: int) -> list[int]:
        """What another device of each account is told."""
        # All at once: nobody heartbeats meanwhile, and who is silent for long yields.
        answers = await asyncio.gather(*(self.start(n, "another") for n in range(count)))
        return [status for status, _ in answers]


Playing = Callable[[str, int, Callable[[], Awaitable[None]]], Awaitable[Household]]


@pytest.fixture
def while_playing(nodes: list[Node]) -> Playing:
    """`while_playing(name, count, act)`: so many devices play while something happens."""

    async def play(name: str, count: int, act: Callable[[], Awaitable[None]]) -> Household:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=20)
        ) as http:
            household = Household(http, nodes, name)
            async with asyncio.TaskGroup() as group:
                for number in range(count):
                    group.create_task(household.play(number))
                await asyncio.sleep(2 * HEARTBEAT_S)
                await act()
                household.is_over = True
            assert household.answers[f"start {201}"] == count
            assert set(household.answers) == {"start 201", "heartbeat 200"}, household.answers
            statuses = await household.others_at_once(count)
            assert statuses == [409] * count, "a stream was forgotten"
            for number, token in household.tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                await household.call("POST", "/v1/sessions/stop", number, headers=headers)
            assert await household.others_at_once(count) == [201] * count, "a slot leaked"
        return household

    return play


async def start_at(http: aiohttp.ClientSession, node: Node, account: str, device: str) -> Answer:
    body = {"device": {"id": device}, "plan": "basic"}
    url = f"{node.plan.address}/v1/accounts/{account}/sessions"
    async with http.post(url, json=body) as response:
        status, told = response.status, await response.json(content_type=None)
    return Answer(status, told, response.headers, 0.0, 0.0, 0.0)


async def heartbeat_at(http: aiohttp.ClientSession, node: Node, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{node.plan.address}/v1/sessions/heartbeat"
    async with http.post(url, headers=headers) as response:
        return response.status


async def sessions_at(http: aiohttp.ClientSession, node: Node, account: str) -> int:
    """How many sessions a node lists, once it is not too busy for that."""
    async with asyncio.timeout(10):
        while True:
            async with http.get(f"{node.plan.address}/v1/accounts/{account}/sessions") as response:
                if response.status == 200:
                    return len((await response.json())["sessions"])
            await asyncio.sleep(0.1)


async def test_of_500_simultaneous_starts_over_both_nodes_one_lives(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    answers = await asyncio.gather(
        *(start_at(http, nodes[n % 2], "crowd", f"tv-{n}") for n in range(500))
    )
    statuses = Counter(answer.status for answer in answers)
    admitted = [answer for answer in answers if answer.status == 201]
    assert set(statuses) <= {201, 409, 429, 503}, statuses
    # Where all of that takes long, the first one has been silent for so long that it yields.
    living = Counter([await heartbeat_at(http, nodes[0], answer.token) for answer in admitted])
    assert (living[200], living[200] + living[410]) == (1, len(admitted)), (
        statuses, [answer.body["decision"] for answer in admitted[:5]],
    )  # fmt: skip
    for node in nodes:
        assert await sessions_at(http, node, "crowd") == 1


async def test_each_node_answers_alike_for_every_account(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    for number in range(16):
        account = f"alike-{number}"
        started = await start_at(http, nodes[0], account, "tv")
        assert started.status == 201
        seen = []
        for node in nodes:
            assert (await start_at(http, node, account, "phone")).status == 409
            url = f"{node.plan.address}/v1/accounts/{account}/sessions"
            async with http.get(url) as response:
                seen.append([each["id"] for each in (await response.json())["sessions"]])
            headers = {"Authorization": f"Bearer {started.token}"}
            url = f"{node.plan.address}/v1/sessions/heartbeat"
            async with http.post(url, headers=headers) as response:
                assert response.status == 200
        assert seen == [[started.id], [started.id]]


async def test_a_batch_is_put_together_from_both_nodes(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    tokens = [
        (await start_at(http, nodes[0], f"batch-{number}", "tv")).token for number in range(12)
    ]
    body = msgpack.packb([*tokens[:6], "not a token", *tokens[6:]])
    for node in nodes:
        url = f"{node.plan.address}/v1/sessions/heartbeats"
        headers = {"Content-Type": "application/msgpack"}
        async with http.post(url, data=body, headers=headers) as response:
            assert response.status == 200
            assert msgpack.unpackb(await response.read()) == [200] * 6 + [401] + [200] * 6


async def test_an_end_is_told_over_the_stream_of_another_node(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    for number in range(4):
        account = f"stream-{number}"
        started = await start_at(http, nodes[0], account, "tv")
        headers = {"Authorization": f"Bearer {started.token}"}
        for listening, kicking in ((nodes[0], nodes[1]), (nodes[1], nodes[0]))[number % 2 :][:1]:
            async with http.get(
                f"{listening.plan.address}/v1/sessions/events", headers=headers
            ) as stream:
                assert (await stream.content.readline()).startswith(b":")
                url = f"{kicking.plan.address}/v1/accounts/{account}/sessions/{started.id}"
                async with http.delete(url) as kicked:
                    assert kicked.status == 200
                told = await asyncio.wait_for(stream.content.read(), 5)
                assert b"event: ended" in told


async def test_operators_hear_of_the_whole_region_from_any_node(
    http: aiohttp.ClientSession, cluster: Cluster, nodes: list[Node]
) -> None:
    key = (nodes[0].plan.directory / "operator.key").read_text(encoding="utf-8").strip()
    operator = {"Authorization": f"Bearer {key}"}
    accounts = [f"ops-{number}" for number in range(8)]
    started = [await start_at(http, nodes[0], account, "tv") for account in accounts]

    async def sessions(node: Node) -> int:
        async with http.get(f"{node.plan.ops_address}/v1/status", headers=operator) as response:
            told = await response.json()
        assert told["nodes_missing"] == []
        return next(each["sessions"] for each in told["regions"] if each["region"] == "us")

    assert await sessions(nodes[0]) == await sessions(nodes[1]) >= len(accounts)
    for node in nodes:
        for account, answer in zip(accounts, started, strict=True):
            url = f"{node.plan.ops_address}/v1/accounts/{account}"
            async with http.get(url, headers=operator) as response:
                told = await response.json()
            assert [each["id"] for each in told["sessions"]] == [answer.id]
    async with http.get(f"{nodes[0].plan.ops_address}/v1/status") as response:
        assert response.status == 401


async def test_a_drain_is_begun_and_ended_on_all_nodes(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    key = (nodes[0].plan.directory / "operator.key").read_text(encoding="utf-8").strip()
    operator = {"Authorization": f"Bearer {key}"}
    url = f"{nodes[0].plan.ops_address}/v1/drain"
    async with http.put(url, headers=operator, json={"for_s": 60}) as response:
        assert (response.status, (await response.json())["has_effect"]) == (200, True)
    for node in nodes:
        for number in range(4):
            refused = await start_at(http, node, f"drained-{number}", "tv")
            assert (refused.status, refused.body["type"]) == (503, "/problems/draining")
    nodes[0].signal(signal.SIGTERM)
    assert await asyncio.to_thread(nodes[0].ended) == 0
    nodes[0].start()
    await asyncio.to_thread(eventually, nodes[0].is_listening, "the node is back")
    # It has heard of it; each slice declines as soon as it sees a region to send devices to.
    for number in range(4):
        async with asyncio.timeout(5):
            while True:
                refused = await start_at(http, nodes[0], f"late-{number}", "tv")
                if refused.status != 201:
                    break
                await asyncio.sleep(0.1)
        assert (refused.status, refused.body["type"]) == (503, "/problems/draining")
    async with http.delete(f"{nodes[1].plan.ops_address}/v1/drain", headers=operator) as response:
        assert (response.status, (await response.json())["is_draining"]) == (200, False)
    for node in nodes:
        assert (await start_at(http, node, "drained", "tv")).status == 201


async def test_no_stream_notices_that_a_node_is_killed(
    nodes: list[Node], while_playing: Playing
) -> None:
    async def kill() -> None:
        nodes[0].kill()
        await asyncio.sleep(TAKEN_OVER_S + 2 * HEARTBEAT_S)

    await while_playing("killed", 60, kill)
    nodes[0].start()
    nodes[0].wait_until_ready()


async def test_event_streams_of_slices_that_move_end_and_are_opened_again(
    http: aiohttp.ClientSession, nodes: list[Node]
) -> None:
    """Those of the node that goes are passed on by the other one; it ends them, and no device is
    told anything that it would take for an end of its session."""
    async with AsyncExitStack() as stack:

        async def opened(token: str) -> aiohttp.ClientResponse:
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{nodes[0].plan.address}/v1/sessions/events"
            stream = await stack.enter_async_context(http.get(url, headers=headers))
            assert stream.status == 200
            assert (await stream.content.readline()).startswith(b":")
            return stream

        tokens = [
            (await start_at(http, nodes[0], f"moving-{number}", "tv")).token for number in range(8)
        ]
        streams = [await opened(token) for token in tokens]
        nodes[1].signal(signal.SIGTERM)
        reading = [asyncio.ensure_future(stream.content.read()) for stream in streams]
        assert await asyncio.to_thread(nodes[1].ended) == 0
        await asyncio.wait(reading, timeout=1)
        ended = [task.result() for task in reading if task.done()]
        assert ended, "no stream was of the node that went"
        assert not any(b"event:" in told for told in ended)
        for token in tokens:
            await opened(token)
        for task in reading:
            task.cancel()
    nodes[1].start()
    nodes[1].wait_until_ready()


async def test_no_stream_notices_that_nodes_are_restarted_one_after_the_other(
    nodes: list[Node], while_playing: Playing
) -> None:
    async def restart() -> None:
        for node in nodes:
            node.signal(signal.SIGTERM)
            assert await asyncio.to_thread(node.ended) == 0
            node.start()
            await asyncio.to_thread(node.wait_until_ready)

    await while_playing("rolled", 60, restart)


async def test_a_node_that_stood_still_does_no_harm_when_it_wakes_up(
    nodes: list[Node], while_playing: Playing
) -> None:
    async def pause() -> None:
        nodes[1].signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        nodes[1].signal(signal.SIGCONT)
        await asyncio.sleep(2 * HEARTBEAT_S)

    await while_playing("paused", 60, pause)


async def test_streams_and_starts_go_on_while_redis_is_gone_with_all_its_data(
    cluster: Cluster, nodes: list[Node], while_playing: Playing, http: aiohttp.ClientSession
) -> None:
    store = cluster["us"].store
    assert store is not None

    async def lose() -> None:
        store.kill()
        await asyncio.sleep(TAKEN_OVER_S)
        for number in range(8):
            answer = await start_at(http, nodes[number % 2], f"lost-{number}", "tv")
            assert (answer.status, answer.body["decision"]["basis"]) == (201, "unchecked")
            again = await start_at(http, nodes[1 - number % 2], f"lost-{number}", "phone")
            assert again.status == 409, "what the region knows still refuses"
        store.start()
        await asyncio.sleep(2 * HEARTBEAT_S)
        later = await start_at(http, nodes[0], "lost-and-found", "tv")
        assert later.body["decision"]["basis"] != "unchecked"

    await while_playing("storeless", 30, lose)

"""The link that a region dials: up only after both proofs, in order, never kept when dead."""

import asyncio
from struct import pack
from typing import Any

import pytest
from aiohttp import web

from crdt.dots import RegionId
from georeg.mesh import Closing, LinkState
from georeg.mesh.handshake import Acceptor, Credentials
from georeg.mesh.settings import Identity
from georeg.mesh.wire import Wire
from tests.mesh.nodes import (
    EU,
    KEY,
    NOWHERE,
    OTHER_KEY,
    US,
    counted_bytes,
    node,
    open_sockets_to,
    slower,
    until,
    url,
)
from tests.mesh.relay import Relay
from tests.mesh.strangers import farewell, frame, impostor

UP, DOWN = ("up", EU), ("down", EU)


async def test_messages_travel_both_ways_each_on_the_sender_s_own_connection(
    free_ports: Any,
) -> None:
    (port,) = free_ports(1)
    async with (
        node(US, {EU: url(port)}) as (us, us_diary),
        node(EU, {US: url(us.port)}, port=port) as (eu, eu_diary),
    ):
        assert await us_diary.change() == UP
        assert await eu_diary.change() == ("up", US)
        for number in range(100):
            us.send(EU, b"to eu %d" % number)
            eu.send(US, b"to us %d" % number)
        assert [await eu_diary.message() for _ in range(100)] == [
            (US, b"to eu %d" % number) for number in range(100)
        ]
        assert [await us_diary.message() for _ in range(100)] == [
            (EU, b"to us %d" % number) for number in range(100)
        ]
        link = us.links()[EU]
        assert (link.frames_out, link.frames_in, link.dropped) == (100, 100, 0)
        assert (
            link.bytes_out == link.bytes_in == sum(map(len, (b"to eu %d" % n for n in range(100))))
        )


async def test_nothing_is_sent_before_both_sides_are_proven() -> None:
    async with (
        node(EU, {US: NOWHERE}, keys=(OTHER_KEY,)) as (eu, eu_diary),
        node(US, {EU: url(eu.port)}) as (us, us_diary),
    ):
        us.send(EU, b"too early")
        await until(lambda: Closing.KEY in eu.refusals)
        await until(lambda: us.links()[EU].state is LinkState.WAITING)
        us.send(EU, b"too early again")
        assert us.links()[EU].dropped == 2
        assert eu_diary.messages.empty()
        assert us_diary.changes.empty()


async def test_a_refusal_is_told_on_both_sides_without_a_word_of_the_keys(logs: list[Any]) -> None:
    async with (
        node(EU, {US: NOWHERE}, keys=(OTHER_KEY,)) as (eu, _),
        node(US, {EU: url(eu.port)}) as (us, _),
    ):
        await until(lambda: "4004" in us.links()[EU].last_error)
        why = "the proof fits none of the cluster keys here"
        assert us.links()[EU].last_error == f"closed by the peer: 4004 {why}"
        refused = [entry for entry in logs if entry["event"] == "mesh_refused"]
        assert refused[0]["reason"] == why
        assert not any(repr(key) in str(logs) for key in (KEY, OTHER_KEY))


async def test_a_dead_peer_is_logged_once_not_at_every_attempt(logs: list[Any]) -> None:
    def levels() -> list[str]:
        return [entry["log_level"] for entry in logs if entry["event"] == "mesh_link_not_up"]

    async with node(US, {EU: NOWHERE}):
        await until(lambda: len(levels()) > 3)
    assert levels()[:4] == ["warning"] + ["debug"] * 3


async def test_a_link_comes_up_when_the_peer_starts_later(free_ports: Any) -> None:
    (port,) = free_ports(1)
    async with node(US, {EU: url(port)}) as (us, diary):
        await until(lambda: us.links()[EU].state is LinkState.WAITING)
        async with node(EU, {US: NOWHERE}, port=port):
            assert await diary.change() == UP
        assert await diary.change() == DOWN


async def test_a_killed_connection_is_replaced_and_each_change_told_once() -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, eu_diary),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}) as (us, diary),
    ):
        for number in range(3):
            assert await diary.change() == UP
            us.send(EU, b"%d" % number)
            assert await eu_diary.message() == (US, b"%d" % number)
            relay.kill()
            assert await diary.change() == DOWN
        assert await diary.change() == UP
        assert diary.changes.empty()
        assert us.links()[EU].connects == 4


@pytest.mark.parametrize(("there", "back"), [(True, True), (True, False), (False, True)])
async def test_a_silent_cut_ends_the_connection_on_both_sides_and_it_comes_back(
    there: bool, back: bool
) -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, eu_diary),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}) as (us, diary),
    ):
        assert await diary.change() == UP
        relay.swallows_there, relay.swallows_back = there, back
        assert await diary.change() == DOWN
        us.send(EU, b"lost")
        await until(lambda: relay.ended_by("dialler") and relay.ended_by("listener"))
        await until(lambda: not eu.links()[US].accepted)
        relay.heal()
        assert await diary.change() == UP
        us.send(EU, b"found")
        assert await eu_diary.message() == (US, b"found")


async def test_a_cut_with_a_full_socket_is_given_up_too() -> None:
    settings = slower(frame_bytes_max=1 << 20)
    async with (
        node(EU, {US: NOWHERE}, settings=settings) as (eu, _),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}, settings=settings) as (us, diary),
    ):
        assert await diary.change() == UP
        relay.reads.clear()
        for _ in range(40):
            us.send(EU, bytes(1 << 20))
        assert us.links()[EU].dropped > 0
        assert await diary.change() == DOWN
        assert us.links()[EU].queued_frames == 0
        assert open_sockets_to(relay.port) <= 1, "only the new attempt may hold a socket"


async def test_a_one_way_cut_leaves_the_other_direction_alone(free_ports: Any) -> None:
    (port,) = free_ports(1)
    async with (
        Relay(port) as relay,
        node(US, {EU: url(relay.port)}) as (us, us_diary),
        node(EU, {US: url(us.port)}, port=port) as (eu, eu_diary),
    ):
        assert await us_diary.change() == UP
        assert await eu_diary.change() == ("up", US)
        relay.cut()
        assert await us_diary.change() == DOWN
        eu.send(US, b"still here")
        assert await us_diary.message() == (EU, b"still here")
        assert eu_diary.changes.empty()


async def test_a_full_outbox_drops_the_newest() -> None:
    settings = slower(outbox_frames_max=4)
    async with (
        node(EU, {US: NOWHERE}) as (eu, eu_diary),
        node(US, {EU: url(eu.port)}, settings=settings) as (us, diary),
    ):
        assert await diary.change() == UP
        for number in range(10):
            us.send(EU, b"%d" % number)
        assert us.links()[EU].dropped == 6
        assert [await eu_diary.message() for _ in range(4)] == [
            (US, b"%d" % number) for number in range(4)
        ]
        us.send(EU, b"again")
        assert await eu_diary.message() == (US, b"again")


async def test_a_round_trip_is_measured_while_the_link_is_up() -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, _),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}) as (us, diary),
    ):
        assert us.links()[EU].round_trip_ms is None
        await until(lambda: us.links()[EU].round_trip_ms is not None)
        relay.cut()
        await diary.change()
        assert await diary.change() == DOWN
        assert us.links()[EU].round_trip_ms is None


async def test_a_bug_in_on_up_costs_the_connection_and_not_the_link(logs: list[Any]) -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _), node(US, {EU: url(eu.port)}) as (us, diary):
        diary.fails_once = True
        assert await diary.change() == DOWN
        assert await diary.change() == UP
        assert "mesh_link_failed" in [entry["event"] for entry in logs]


async def test_a_link_that_can_no_longer_send_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mute(self: Wire, frame: bytes) -> None:
        monkeypatch.undo()
        raise RuntimeError("a bug")

    async with (
        node(EU, {US: NOWHERE}) as (eu, eu_diary),
        node(US, {EU: url(eu.port)}) as (us, diary),
    ):
        assert await diary.change() == UP
        monkeypatch.setattr(Wire, "send", mute)
        us.send(EU, b"never leaves")
        assert await diary.change() == DOWN
        assert await diary.change() == UP
        us.send(EU, b"leaves")
        assert await eu_diary.message() == (US, b"leaves")


# Impostors: something else listens where the peer should be.


async def serves(behaviour: Any, last_error: str) -> None:
    """The link to a listener that behaves like this never comes up, and says so."""
    async with impostor(behaviour) as port, node(US, {EU: url(port)}) as (us, diary):
        await until(lambda: last_error in us.links()[EU].last_error)
        assert diary.changes.empty()
        assert us.links()[EU].connects == 0


async def test_a_listener_that_says_nothing_is_left() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await farewell(socket)

    await serves(behave, "4005 no handshake within 300 ms")


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (b"", "4000 expected the challenge"),
        (b"\xff" * 3_000, "4000 expected the challenge"),
        (b"\x01\x00\x07", "4001 protocol version 1 here, 7 there"),
        (b"\x01\x00\x01" + bytes(33), "4000 a challenge of 36 bytes"),
        (b"\x03\x00\x01" + bytes(32), "4000 expected the challenge"),
    ],
)
async def test_a_listener_that_does_not_challenge_is_left(first: bytes, why: str) -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(first)
        assert str((await farewell(socket))[0]) == why[:4]

    await serves(behave, why)


async def test_a_listener_that_reflects_the_proof_is_left() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(pack("!BH32s", 1, 1, bytes(32)))
        hello = await frame(socket)
        await socket.send_bytes(pack("!BH32s", 3, 1, hello[37:69]))
        await farewell(socket)

    await serves(behave, "4004 the proof fits none")


async def test_a_listener_that_skips_its_proof_is_left() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(pack("!BH32s", 1, 1, bytes(32)))
        await frame(socket)
        await socket.send_bytes(b"a message, as if all were proven")
        await farewell(socket)

    await serves(behave, "4000 expected the welcome")


async def test_words_of_a_stranger_are_fit_for_a_log() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await socket.close(code=4999, message=b"go\x1b[31m\naway")

    await serves(behave, "closed by the peer: 4999 go?[31m?away")


async def test_a_web_server_that_knows_nothing_of_us_is_left() -> None:
    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    server = web.Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    async with node(US, {EU: url(listening.sockets[0].getsockname()[1])}) as (us, _):
        await until(lambda: "Invalid response status" in us.links()[EU].last_error)
    listening.close()
    await server.shutdown(0.1)


async def test_a_listener_may_not_send_messages_back() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        identity = Identity("test", EU, "eu")
        acceptor = Acceptor(Credentials(identity, (KEY,), counted_bytes(9)), {RegionId(US)})
        await socket.send_bytes(acceptor.challenge())
        await socket.send_bytes(acceptor.receive(await frame(socket)))
        await socket.send_bytes(b"a message")
        while (code := (await farewell(socket))[0]) == 0:
            pass
        assert code == Closing.UNEXPECTED

    async with impostor(behave) as port, node(US, {EU: url(port)}) as (us, diary):
        assert await diary.change() == UP
        assert await diary.change() == DOWN
        await until(lambda: "4006" in us.links()[EU].last_error)

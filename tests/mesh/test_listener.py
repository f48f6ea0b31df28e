"""What reaches a region from those who dial it: nothing before the proof, then all, in order."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiohttp import ClientSession, WSMsgType

from crdt.dots import RegionId
from crdt.errors import PeerError as MessageError
from georeg.mesh import Closing
from tests.mesh.nodes import EU, NOWHERE, OTHER_KEY, QUICK, SOON_S, US, node, slower, until, url
from tests.mesh.strangers import dialler, enter, farewell, frame, knock

AP = RegionId(3)
PEERS = {US: NOWHERE}


async def test_messages_are_delivered_in_order_after_the_proof() -> None:
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as socket:
        await enter(socket, US, EU)
        for number in range(300):
            await socket.send_bytes(b"%d" % number)
        assert [await diary.message() for _ in range(300)] == [
            (US, b"%d" % number) for number in range(300)
        ]
        assert eu.links()[US].accepted
        assert eu.links()[US].frames_in == 300


async def test_a_ping_is_answered_with_its_payload() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        await enter(socket, US, EU)
        await socket.ping(b"12345678")
        message = await socket.receive(SOON_S)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"12345678")


@pytest.mark.parametrize(
    ("me", "peer", "key", "cluster", "code"),
    [
        (US, EU, OTHER_KEY, "test", Closing.KEY),
        (US, EU, None, "stage", Closing.CLUSTER),
        (EU, US, None, "test", Closing.REGION),
        (AP, EU, None, "test", Closing.REGION),
        (US, AP, None, "test", Closing.REGION),
    ],
    ids=["wrong key", "wrong cluster", "same number", "unknown number", "not the region dialled"],
)
async def test_who_is_not_proven_is_told_why(
    me: RegionId, peer: RegionId, key: bytes | None, cluster: str, code: Closing
) -> None:
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as socket:
        extra = {} if key is None else {"key": key}
        hello = dialler(me, peer, cluster=cluster, **extra).receive(await frame(socket))
        assert hello is not None
        await socket.send_bytes(hello)
        await socket.send_bytes(b"a message")
        told, reason = await farewell(socket)
        assert told == code
        assert reason
        await until(lambda: eu.refusals == {code: 1})
        assert diary.messages.empty()
        assert not eu.links()[US].accepted


async def test_another_version_is_told() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        await frame(socket)
        await socket.send_bytes(b"\x02\x00\x09whatever that version says")
        assert await farewell(socket) == (Closing.VERSION, "protocol version 1 here, 9 there")


async def test_a_replayed_proof_is_refused() -> None:
    async with node(EU, PEERS) as (eu, diary):
        async with knock(eu.port) as socket:
            hello = await enter(socket, US, EU)
        async with knock(eu.port) as socket:
            await frame(socket)
            await socket.send_bytes(hello)
            await socket.send_bytes(b"a message")
            assert (await farewell(socket))[0] == Closing.KEY
        assert diary.messages.empty()


async def test_the_own_challenge_sent_back_is_refused() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        await socket.send_bytes(await frame(socket))
        assert (await farewell(socket))[0] == Closing.MALFORMED


async def test_silence_ends_the_handshake() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        assert await farewell(socket) == (Closing.SILENT, "no handshake within 300 ms")


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (lambda socket: socket.send_bytes(b""), Closing.MALFORMED),
        (lambda socket: socket.send_bytes(b"\xff" * 5000), Closing.MALFORMED),
        (lambda socket: socket.send_str("hello"), Closing.UNEXPECTED),
        (lambda socket: socket.ping(b"hello"), Closing.MALFORMED),
    ],
    ids=["empty", "garbage", "text", "ping"],
)
async def test_nothing_but_the_hello_is_taken_before_the_proof(
    say: Callable[..., object], code: Closing
) -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        await frame(socket)
        said = say(socket)
        assert asyncio.iscoroutine(said)
        await said
        assert (await farewell(socket))[0] == code


async def test_a_proof_that_comes_as_a_ping_is_not_taken() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        hello = dialler(US, EU).receive(await frame(socket))
        assert hello is not None
        await socket.ping(hello)
        assert (await farewell(socket))[0] == Closing.MALFORMED


@pytest.mark.parametrize(
    "sent", [b"", b"GET /mesh HT", b"\x16\x03\x01garbage\r\n\r\n", b"GET / HTTP/1.1\r\n \0\r\n\r\n"]
)
async def test_who_does_not_even_speak_http_is_hung_up_on_without_a_traceback(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with node(EU, PEERS) as (eu, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", eu.port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), SOON_S)
        writer.close()
        await writer.wait_closed()
    assert answer == b"" or answer.startswith(b"HTTP/1.0 400")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/mesh", 400)])
async def test_plain_http_gets_an_error_and_no_page(path: str, status: int) -> None:
    async with (
        node(EU, PEERS) as (eu, _),
        ClientSession() as session,
        session.post(url(eu.port, "http") + path, data=b"x" * 1_000_000) as response,
    ):
        assert response.status == status


async def test_strangers_beyond_the_limit_are_turned_away_and_peers_come_in_later() -> None:
    settings = slower(unproven_max=2, handshake_ms=60_000)
    async with node(EU, PEERS, settings=settings) as (eu, _):
        async with knock(eu.port), knock(eu.port):
            reader, writer = await asyncio.open_connection("127.0.0.1", eu.port)
            assert await asyncio.wait_for(reader.read(), SOON_S) == b""
            writer.close()
            await writer.wait_closed()
        async with knock(eu.port) as socket:
            await enter(socket, US, EU)


async def test_an_oversized_frame_costs_the_connection() -> None:
    settings = slower(frame_bytes_max=1_000)
    async with node(EU, PEERS, settings=settings) as (eu, diary), knock(eu.port) as socket:
        await enter(socket, US, EU)
        await socket.send_bytes(bytes(1_000))
        await diary.message()
        await socket.send_bytes(bytes(1_001))
        assert (await farewell(socket))[0] in (0, 1009)
        await until(lambda: not eu.links()[US].accepted)
        assert diary.messages.empty()


async def test_a_text_frame_costs_the_connection() -> None:
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as socket:
        await enter(socket, US, EU)
        await socket.send_str("hello")
        assert (await farewell(socket))[0] == Closing.UNEXPECTED
        assert diary.messages.empty()


@pytest.mark.parametrize("as_pings", [False, True])
async def test_who_is_too_fast_is_closed(as_pings: bool) -> None:
    settings = slower(frames_per_s=100)
    async with node(EU, PEERS, settings=settings) as (eu, _), knock(eu.port) as socket:
        await enter(socket, US, EU)
        for _ in range(1_000):
            await (socket.ping(b"x") if as_pings else socket.send_bytes(b"x"))
        assert (await farewell(socket))[0] == Closing.TOO_FAST
        assert eu.refusals == {Closing.TOO_FAST: 1}


async def test_a_message_that_the_region_refuses_costs_that_connection_only() -> None:
    async with (
        node(EU, {US: NOWHERE, AP: NOWHERE}) as (eu, diary),
        knock(eu.port) as bad,
        knock(eu.port) as good,
    ):
        diary.refuses = lambda said: MessageError("not mine") if said == b"bad" else None
        await enter(bad, US, EU)
        await enter(good, AP, EU)
        await bad.send_bytes(b"bad")
        await bad.send_bytes(b"after it")
        assert await farewell(bad) == (Closing.BAD_MESSAGE, "not mine")
        await good.send_bytes(b"good")
        assert await diary.message() == (AP, b"good")
        assert diary.messages.empty()
        assert eu.links()[US].bad_messages == 1
        assert (eu.links()[US].accepted, eu.links()[AP].accepted) == (False, True)


async def test_a_bug_in_the_region_costs_that_connection_only() -> None:
    async with node(EU, PEERS) as (eu, diary):
        diary.refuses = lambda said: RuntimeError("a bug") if said == b"bad" else None
        async with knock(eu.port) as socket:
            await enter(socket, US, EU)
            await socket.send_bytes(b"bad")
            assert await farewell(socket) == (Closing.INTERNAL, "internal error")
        async with knock(eu.port) as socket:
            await enter(socket, US, EU)
            await socket.send_bytes(b"good")
            assert await diary.message() == (US, b"good")


async def test_a_newer_connection_replaces_the_older_once_it_is_proven() -> None:
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as old, knock(eu.port) as new:
        await enter(old, US, EU)
        await frame(new)
        await old.send_bytes(b"still heard")
        assert await diary.message() == (US, b"still heard")
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as old, knock(eu.port) as new:
        await enter(old, US, EU)
        await enter(new, US, EU)
        await old.send_bytes(b"no longer heard")
        assert await farewell(old) == (Closing.REPLACED, "replaced by a newer connection")
        await new.send_bytes(b"heard")
        assert await diary.message() == (US, b"heard")
        assert eu.links()[US].accepted


async def test_a_peer_that_falls_silent_is_dropped() -> None:
    async with node(EU, PEERS) as (eu, _), knock(eu.port) as socket:
        await enter(socket, US, EU)
        await until(lambda: eu.links()[US].accepted)
        assert await farewell(socket) == (0, "")
        assert not eu.links()[US].accepted


async def test_a_reason_is_cut_to_what_a_close_frame_holds() -> None:
    async with node(EU, PEERS) as (eu, diary), knock(eu.port) as socket:
        diary.refuses = lambda said: MessageError("\N{SNOWMAN}" * 100)
        await enter(socket, US, EU)
        await socket.send_bytes(b"bad")
        assert await farewell(socket) == (Closing.BAD_MESSAGE, "\N{SNOWMAN}" * 41)


def test_the_quick_settings_keep_the_proportions_of_the_real_ones() -> None:
    assert QUICK.silence_ms > 3 * QUICK.ping_ms


@pytest.mark.parametrize("frame_bytes", [1, 60_000])
async def test_a_peer_that_floods_delays_nobody_for_long_and_is_closed(frame_bytes: int) -> None:
    """What another peer says arrives while the flood goes on, and the flood ends itself."""
    # The flood takes this very loop's time too: nobody may be given up as silent for that.
    settings = slower(frames_per_s=200, bytes_per_s=1 << 20, silence_ms=30_000, handshake_ms=5_000)
    async with (
        node(EU, {US: NOWHERE, AP: NOWHERE}, settings=settings) as (eu, diary),
        knock(eu.port) as flooding,
        knock(eu.port) as good,
    ):
        await enter(flooding, US, EU)
        await enter(good, AP, EU)
        heard: list[bytes] = []

        async def flood() -> None:
            with suppress(ConnectionError):
                while True:
                    await flooding.send_bytes(bytes(frame_bytes))

        async def listen() -> None:
            while len(heard) < 50:
                peer, payload = await diary.message()
                if peer == AP:
                    heard.append(payload)

        sender = asyncio.ensure_future(flood())
        listener = asyncio.ensure_future(listen())
        for number in range(50):
            await good.send_bytes(b"%d" % number)
            await asyncio.sleep(0)
        await asyncio.wait_for(listener, SOON_S)
        assert heard == [b"%d" % number for number in range(50)]
        await until(lambda: not eu.links()[US].accepted)
        assert eu.refusals == {Closing.TOO_FAST: 1}
        assert eu.links()[AP].accepted
        sender.cancel()

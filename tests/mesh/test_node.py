"""The node as a whole: TLS, stopping cleanly in every state, and misuse."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from georeg.mesh import Identity, LinkState, LocalError, MeshNode, Peer
from tests.mesh.nodes import (
    EU,
    KEY,
    NOWHERE,
    QUICK,
    US,
    counted_bytes,
    node,
    open_sockets_to,
    slower,
    until,
    until_still,
    url,
)
from tests.mesh.relay import Relay
from tests.mesh.strangers import farewell, impostor

UP, DOWN = ("up", EU), ("down", EU)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "eu.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


SLOW_HANDS = slower(connect_ms=2_000, handshake_ms=2_000, silence_ms=1_000)
"""TLS takes its time on a busy machine."""


async def test_messages_travel_over_tls(certificate: Path, server_tls: ssl.SSLContext) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    async with (
        node(EU, {US: NOWHERE}, settings=SLOW_HANDS, server_tls=server_tls) as (eu, eu_diary),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port, "wss")}, settings=SLOW_HANDS, client_tls=trust) as (
            us,
            diary,
        ),
    ):
        assert await diary.change() == UP
        us.send(EU, bytes(100_000))
        assert await eu_diary.message() == (US, bytes(100_000))
        relay.cut()
        assert await diary.change() == DOWN
        relay.heal()
        assert await diary.change() == UP


async def test_a_certificate_that_is_not_trusted_is_refused(server_tls: ssl.SSLContext) -> None:
    async with (
        node(EU, {US: NOWHERE}, settings=SLOW_HANDS, server_tls=server_tls) as (eu, _),
        node(US, {EU: url(eu.port, "wss")}, settings=SLOW_HANDS) as (us, diary),
    ):
        await until(lambda: "certificate verify failed" in us.links()[EU].last_error)
        assert diary.changes.empty()


async def test_plain_text_is_not_taken_where_tls_is_spoken(server_tls: ssl.SSLContext) -> None:
    async with (
        node(EU, {US: NOWHERE}, server_tls=server_tls) as (eu, _),
        node(US, {EU: url(eu.port)}) as (us, diary),
    ):
        await until(lambda: us.links()[EU].last_error != "")
        assert diary.changes.empty()


# Stopping: whatever the state, nothing is left running, and links that were up are told down.


async def is_alone() -> bool:
    """Whether no task but this one is left, once those that end now have ended."""
    for _ in range(3):
        await asyncio.sleep(0)
    return asyncio.all_tasks() == {asyncio.current_task()}


async def test_stopping_tells_both_sides(free_ports: Any) -> None:
    (port,) = free_ports(1)
    async with (
        node(US, {EU: url(port)}) as (us, us_diary),
        node(EU, {US: url(us.port)}, port=port) as (eu, eu_diary),
    ):
        assert await us_diary.change() == UP
        assert await eu_diary.change() == ("up", US)
        await eu.stop()
        assert await eu_diary.change() == ("down", US)
        assert await us_diary.change() == DOWN
        assert eu_diary.changes.empty()
        assert eu.links()[US].state is LinkState.STOPPED
    assert await is_alone()


async def test_stopping_while_dialling_leaves_nothing() -> None:
    async def behave(socket: web.WebSocketResponse) -> None:
        await farewell(socket)

    async with impostor(behave) as port:
        async with node(US, {EU: url(port)}) as (us, _):
            await until(lambda: us.links()[EU].state is LinkState.CONNECTING)
        async with node(US, {EU: NOWHERE}) as (us, _):
            await until(lambda: us.links()[EU].state is LinkState.WAITING)
    assert await is_alone()


async def test_stopping_over_a_cut_does_not_wait_for_the_other_side() -> None:
    settings = slower(silence_ms=60_000)
    async with (
        node(EU, {US: NOWHERE}) as (eu, _),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}, settings=settings) as (us, diary),
    ):
        assert await diary.change() == UP
        relay.cut()
        await asyncio.wait_for(us.stop(), 5)
        assert await diary.change() == DOWN
    assert await is_alone()


async def test_stopping_with_a_full_socket_drops_what_is_unsent() -> None:
    async with (
        node(EU, {US: NOWHERE}, settings=slower(silence_ms=60_000)) as (eu, _),
        Relay(eu.port) as relay,
        node(US, {EU: url(relay.port)}, settings=slower(silence_ms=60_000)) as (us, diary),
    ):
        assert await diary.change() == UP
        relay.reads.clear()
        for _ in range(15):
            us.send(EU, bytes(1 << 20))
        await until_still(lambda: us.links()[EU].frames_out)
        assert open_sockets_to(relay.port) == 1
        await us.stop()
        assert open_sockets_to(relay.port) == 0


async def test_stopping_with_strangers_at_the_door_leaves_nothing() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _):
        _, writer = await asyncio.open_connection("127.0.0.1", eu.port)
        await asyncio.wait_for(eu.stop(), 5)
        writer.close()
        await writer.wait_closed()
    assert await is_alone()


async def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _):
        await eu.stop()
        await eu.stop()
    await unstarted().stop()


# Misuse.


def unstarted(**changes: Any) -> MeshNode:
    return MeshNode(
        **{
            "identity": Identity("test", US, "us"),
            "keys": (KEY,),
            "peers": {EU: Peer("eu", NOWHERE)},
            "listen_host": "127.0.0.1",
            "listen_port": 0,
            "settings": QUICK,
            "on_message": lambda peer, payload, version: None,
            "random": Random(1),
            "token_bytes": counted_bytes(1),
            **changes,
        }
    )


async def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _):
        second = unstarted(listen_port=eu.port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.stop()


async def test_a_node_starts_once() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _):
        with pytest.raises(LocalError):
            await eu.start()


def test_a_region_is_no_peer_of_its_own() -> None:
    with pytest.raises(LocalError, match="no peer of its own"):
        unstarted(peers={US: Peer("us", NOWHERE)})


def test_an_unfit_key_is_refused_at_once() -> None:
    with pytest.raises(LocalError, match="cluster key 1"):
        unstarted(keys=(b"short",))


def test_before_the_start_messages_are_dropped_and_there_are_no_links() -> None:
    made = unstarted()
    made.send(EU, b"early")
    assert made.links() == {}
    assert made.refusals == {}


def test_sending_to_a_stranger_or_too_much_is_a_bug() -> None:
    made = unstarted()
    with pytest.raises(LocalError, match="no peer"):
        made.send(US, b"to myself")
    with pytest.raises(LocalError, match="at most"):
        made.send(EU, bytes(QUICK.frame_bytes_max + 1))

"""The way to Redis: addresses, trouble in words, scripts, TLS, users."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from georeg.store.redis import (
    Holding,
    RedisClient,
    RedisEvicts,
    RedisLock,
    RedisSettings,
    RedisTooOld,
    RedisTrouble,
    UnusableRedis,
)
from georeg.store.redis.address import Kind
from georeg.store.redis.client import CONNECTIONS_MAX, Script
from georeg.store.redis.scripts import SWEEP
from tests.redis_server import PROTECTED, RedisServer, free_port
from tests.store.redis.slices import TAG, Node, committed
from tests.store.test_damage import entry
from tests.store.test_journal import kick

needs_redis = pytest.mark.redis
ECHO = Script("return ARGV[1]")


@pytest.mark.parametrize(
    ("url", "kind", "hosts"),
    [
        ("redis://h", Kind.SINGLE, (("h", 6379),)),
        ("rediss://h:1/3", Kind.SINGLE, (("h", 1),)),
        ("redis://[::1]:1", Kind.SINGLE, (("::1", 1),)),
        ("redis+sentinel://h,[fe80::1],g:2/main", Kind.SENTINEL,
         (("h", 26379), ("fe80::1", 26379), ("g", 2))),
        ("rediss+cluster://h:1,g", Kind.CLUSTER, (("h", 1), ("g", 6379))),
    ],
)  # fmt: skip
def test_an_address_says_which_servers_there_are(
    url: str, kind: Kind, hosts: tuple[tuple[str, int], ...]
) -> None:
    settings = RedisSettings.parse(url)
    assert (settings.kind, settings.hosts) == (kind, hosts)
    assert settings.is_tls == url.startswith("rediss")


def test_the_parts_of_an_address_are_percent_encoded() -> None:
    settings = RedisSettings.parse("redis+sentinel://me:p%40ss%3A@h/my%20main")
    assert (settings.user, settings.password, settings.service) == ("me", "p@ss:", "my main")
    assert RedisSettings.parse("redis://h/7").database == 7


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:6379", "is no address of Redis"),
        ("http://h", "is no address of Redis"),
        ("redis+x://h", "is no address of Redis"),
        ("redis://", "is no host:port"),
        ("redis://h:x", "is no host:port"),
        ("redis://h:70000", "is no host:port"),
        ("redis://::1", "is no host:port"),
        ("redis://h,", "is no host:port"),
        ("redis://h/x", "a database is a number"),
        ("redis://h?db=1", "ends before"),
        ("redis+sentinel://h", "the name of the master is missing"),
        ("redis+cluster://h/1", "one database only"),
    ],
)
def test_a_mistake_in_an_address_is_said_with_what_to_write(url: str, words: str) -> None:
    with pytest.raises(UnusableRedis, match=words):
        RedisSettings.parse(url)


def test_a_password_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PROTECTED}\n")
    settings = RedisSettings.parse("redis://me@h", password_file=file)
    assert settings.password == PROTECTED
    assert PROTECTED not in repr(settings) + str(settings)
    with pytest.raises(UnusableRedis, match="in the address and in a file"):
        RedisSettings.parse("redis://:x@h", password_file=file)
    with pytest.raises(UnusableRedis, match="cannot read the password: No such file"):
        RedisSettings.parse("redis://h", password_file=tmp_path / "none")
    file.write_text("\n")
    with pytest.raises(UnusableRedis, match="it is empty"):
        RedisSettings.parse("redis://h", password_file=file)


def test_a_file_of_certificates_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableRedis, match="no file with certificates"):
        RedisSettings.parse("rediss://h", ca_file=tmp_path / "ca.pem")


async def test_nobody_there_is_said_in_one_line() -> None:
    port = free_port()
    with pytest.raises(RedisTrouble) as told:
        await RedisClient.connect(RedisSettings.parse(f"redis://:{PROTECTED}@127.0.0.1:{port}"))
    assert str(told.value).startswith(f"Redis at 127.0.0.1:{port} is out of reach: ")
    assert "\n" not in str(told.value)
    assert PROTECTED not in str(told.value)


@needs_redis
async def test_an_older_redis_is_refused(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.store.redis.client.VERSION_MIN", 99)
    with pytest.raises(RedisTooOld, match=r"is 7\.\d+\.\d+; georeg needs"):
        await client.check()


@needs_redis
async def test_a_redis_that_evicts_keys_is_refused(
    client: RedisClient, server: RedisServer
) -> None:
    server.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(RedisEvicts, match=r"allkeys-lru\); set it to noeviction"):
            await client.check()
    finally:
        server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")


@needs_redis
async def test_a_redis_that_hangs_is_trouble_after_the_timeout_and_answers_rightly_later(
    own_client: RedisClient, own_server: RedisServer
) -> None:
    assert await own_client.run(ECHO, [], ["first"]) == b"first"
    own_server.pause()
    with pytest.raises(RedisTrouble, match="did not answer within 200 ms"):
        await own_client.run(ECHO, [], ["second"])
    own_server.resume()
    answers = await asyncio.gather(*(own_client.run(ECHO, [], [str(n)]) for n in range(20)))
    assert answers == [str(n).encode() for n in range(20)], "an answer that came late is another's"


@needs_redis
async def test_more_calls_at_once_than_connections_wait_for_one(
    client: RedisClient, server: RedisServer
) -> None:
    answers = await asyncio.gather(*(client.run(ECHO, [], [str(n)]) for n in range(300)))
    assert answers == [str(n).encode() for n in range(300)]
    connected = int(server.cli("INFO", "clients").split("connected_clients:")[1].split()[0])
    assert connected <= CONNECTIONS_MAX + 1


@needs_redis
async def test_reads_go_out_as_one_and_come_back_in_order(client: RedisClient) -> None:
    keys = [client.key("t", str(n)) for n in range(3)]
    for key in keys:
        await client.run(Script("return redis.call('SET', KEYS[1], ARGV[1])"), [key], [key])
    assert await client.read([("GET", key) for key in keys]) == [key.encode() for key in keys]
    assert await client.read([]) == []


@needs_redis
async def test_a_full_redis_is_said(client: RedisClient, server: RedisServer) -> None:
    server.cli("CONFIG", "SET", "maxmemory", "1mb")
    write = Script("return redis.call('SET', KEYS[1], ARGV[1])")
    try:
        with pytest.raises(RedisTrouble, match="out of memory"):
            await client.run(write, [client.key("t", "x")], ["y"])
    finally:
        server.cli("CONFIG", "SET", "maxmemory", "0")


USERS = (
    "--requirepass", PROTECTED, "--user", "georeg", "on", ">its-own", "~georeg:*", "-@all",
    "+@connection", "+@scripting", "+@hash", "+@string", "+@sortedset", "+@keyspace", "+info",
    "+time", "-@dangerous", "+info",
)  # fmt: skip


@pytest.fixture
def with_users(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, *USERS).start()
    yield server
    server.stop()


@needs_redis
async def test_users_and_passwords(with_users: RedisServer) -> None:
    at = f"127.0.0.1:{with_users.port}"
    for wrong, words in (
        ("", "asks for a user and a password|refuses the user or the password"),
        (":no@", "refuses the user or the password"),
        ("georeg:no@", "refuses the user or the password"),
    ):
        with pytest.raises(RedisTrouble, match=words):
            await RedisClient.connect(RedisSettings.parse(f"redis://{wrong}{at}"))
    client = await RedisClient.connect(RedisSettings.parse(f"redis://georeg:its-own@{at}"))
    lock = RedisLock(client, TAG, "duty", "a", lambda: 0)
    holding = await lock.acquire(60_000)
    assert isinstance(holding, Holding)
    assert await lock.renew(holding, 60_000) is not None
    node = Node(client)
    journal = await node.open(holding.fence)
    journal.store_kick(kick(1))
    journal.store_session(entry(1))
    assert await committed(journal) is None
    assert await client.run(SWEEP, journal.keys, [holding.fence, 5, 5, 5]) == [1, 0]
    await node.close()
    await lock.release(holding)
    with pytest.raises(RedisTrouble, match="does not permit .* no permissions to access one of"):
        await client.run(ECHO, ["another:{t}:key"], ["x"])
    with pytest.raises(RedisTrouble, match="does not permit .* can't run this command"):
        await client.run(Script("return redis.call('LPUSH', KEYS[1], 1)"), [journal.keys[0]])
    await client.close()


@pytest.fixture
def with_tls(tmp_path: Path) -> Iterator[RedisServer]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    server = RedisServer(
        tmp_path, "--port", "0", "--tls-port", str(port), "--tls-cert-file", cert, "--tls-key-file",
        key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--save", "", port=port,
    ).start()  # fmt: skip
    yield server
    server.stop()


@needs_redis
async def test_over_tls_with_the_right_certificates_only(with_tls: RedisServer) -> None:
    url = f"rediss://127.0.0.1:{with_tls.port}"
    settings = RedisSettings.parse(url, ca_file=with_tls.folder / "cert.pem", timeout_ms=2_000)
    client = await RedisClient.connect(settings)
    assert await client.run(ECHO, [], ["x"]) == b"x"
    await client.close()
    with pytest.raises(RedisTrouble, match="certificate verify failed"):
        await RedisClient.connect(RedisSettings.parse(url, timeout_ms=2_000))

"""What was committed is there for the next owner; what an earlier one says is left aside."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from crdt.dots import RegionId
from crdt.events import HomeSet
from georeg.store.redis import (
    DataLost,
    Fenced,
    RedisClient,
    RedisSettings,
    RedisTooNew,
    RedisTrouble,
    changes,
    journal,
    taking,
)
from georeg.store.redis.client import Script
from georeg.store.redis.records import session_value
from georeg.store.redis.scripts import COMMIT, KEYS, SWEEP
from tests.redis_server import RedisServer
from tests.store.redis.slices import (
    FUTURE_S,
    NOW_S,
    TAG,
    Node,
    committed,
    long_entry,
    moved,
    recovered,
    sessions_of,
)
from tests.store.test_damage import entry
from tests.store.test_journal import kick, plan

pytestmark = pytest.mark.redis


@pytest.fixture
async def node(client: RedisClient) -> AsyncIterator[Node]:
    node = Node(client)
    yield node
    await node.close()


@pytest.fixture
async def own_node(own_client: RedisClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(journal, "RETRY_S", 0.02)
    node = Node(own_client)
    yield node
    await node.close()


async def test_a_new_slice_is_empty(node: Node) -> None:
    journal = await node.open(1)
    assert (journal.incarnation(), journal.kicks(), journal.plans(), journal.peers()) == (
        0, [], [], {},
    )  # fmt: skip
    assert journal.sessions() == ([], None)
    assert (journal.trouble, journal.lost) == ("", "")


async def test_what_was_committed_is_there_for_the_next_owner(node: Node) -> None:
    first = await node.open(1)
    first.store_kick(kick(1, expires_s=FUTURE_S))
    first.store_plan(plan())
    first.store_peer(RegionId(2), 7)
    first.store_peer(RegionId(2), 5)
    held = [entry(1), long_entry(entry(2)), moved(entry(3), 9)]
    for one in held:
        first.store_session(one)
    assert await committed(first) is None
    second = await node.open(2)
    assert second.kicks() == [kick(1, expires_s=FUTURE_S)]
    assert second.plans() == [plan()]
    assert second.peers() == {2: 7}
    assert sessions_of(second) == sorted(held, key=lambda e: e.session)


async def test_homes_that_have_moved_are_there_for_the_next_owner(node: Node) -> None:
    first = await node.open(1)
    moves = [HomeSet("ann", RegionId(to), number, RegionId(1), 5) for to, number in
             ((2, 300), (3, 301), (2, 255))]  # fmt: skip
    for move in moves:
        first.store_home(move)
        assert await committed(first) is None
    second = await node.open(2)
    assert second.homes() == [moves[1]]


async def test_sessions_are_told_a_piece_at_a_time_in_order_and_once(node: Node) -> None:
    first = await node.open(1)
    for n in range(1, 450):
        first.store_session(entry(n))
    await committed(first)
    second = await node.open(2)
    sizes, found, after = [], [], 0
    while after is not None:
        some, after = second.sessions(after)  # type: ignore[assignment]
        sizes.append(len(some))
        found += some
    assert sizes == [200, 200, 49]
    assert found == [entry(n) for n in range(1, 450)]
    second.all_stored()
    assert second._loaded._sessions == {}, "it holds them no longer than they are of use"


async def test_what_ended_is_forgotten_and_what_came_and_went_is_never_sent(node: Node) -> None:
    first = await node.open(1)
    first.store_session(entry(1))
    first.store_session(entry(2))
    await committed(first)
    first.forget_session(entry(1).session)
    first.store_session(entry(3))
    first.forget_session(entry(3).session)
    assert list(first._queued.sessions) == [entry(1).session]
    await committed(first)
    assert sessions_of(await node.open(2)) == [entry(2)]


async def test_the_latest_dot_of_a_session_stands(node: Node) -> None:
    first = await node.open(1)
    first.store_session(entry(1))
    await committed(first)
    first.forget_session(entry(1).session)
    first.store_session(moved(entry(1), 9))
    await committed(first)
    assert sessions_of(await node.open(2)) == [moved(entry(1), 9)]


async def test_the_first_kick_of_a_session_and_the_latest_plan_of_an_account_stand(
    node: Node,
) -> None:
    first = await node.open(1)
    kicks = [kick(1, at_ms=at, expires_s=FUTURE_S) for at in (2_000_000, 1_000_000, 3_000_000)]
    plans = [plan(issued=issued) for issued in ((1 << 64) - 2, (1 << 64) - 1, 1 << 63, 255)]
    for one in kicks:
        first.store_kick(one)
        await committed(first)
    for other in plans:
        first.store_plan(other)
        await committed(first)
    second = await node.open(2)
    assert second.kicks() == [kicks[1]]
    assert second.plans() == [plans[1]]


async def test_an_incarnation_is_stored_before_it_is_needed_and_never_goes_down(
    node: Node,
) -> None:
    first = await node.open(1)
    first.store_incarnation(first.incarnation() + 1)
    second = await node.open(2)
    assert second.incarnation() == 1
    with pytest.raises(RedisTrouble, match="on its way"):
        second.store_incarnation(40)
    assert await committed(second) is None
    second.store_incarnation(40)
    second.store_incarnation(7)
    await committed(second)
    assert (await node.open(3)).incarnation() == 40
    assert (await node.open(90)).incarnation() == 89, "above all under lower fences"


async def test_an_earlier_owner_is_refused_as_a_whole_and_told_once(node: Node) -> None:
    old = await node.open(1)
    old.store_session(entry(1))
    await committed(old)
    new = await node.open(2)
    old.forget_session(entry(1).session)
    old.store_kick(kick(1))
    error = await committed(old)
    assert isinstance(error, Fenced)
    assert "with fence 2" in old.trouble
    assert isinstance(await committed(old), Fenced)
    old.store_session(entry(2))
    assert node.told == ["fenced"]
    assert (old.is_fenced, new.is_fenced) == (True, False)
    third = await node.open(3)
    assert (sessions_of(third), third.kicks()) == ([entry(1)], [])


async def test_a_lower_fence_cannot_take_over(node: Node) -> None:
    await node.open(5)
    with pytest.raises(Fenced, match="with fence 5"):
        await node.open(4)


async def test_opening_again_with_the_same_fence_changes_nothing(node: Node) -> None:
    first = await node.open(3)
    first.store_session(entry(1))
    await committed(first)
    again = await node.open(3)
    assert again.incarnation() == first.incarnation()
    again.store_session(entry(2))
    assert await committed(again) is None
    assert sessions_of(await node.open(4)) == [entry(1), entry(2)]


async def test_data_of_a_newer_georeg_are_left_alone(node: Node, server: RedisServer) -> None:
    await node.open(1)
    server.cli("HSET", node.client.key(TAG, "meta"), "format", "2")
    with pytest.raises(RedisTooNew, match="have format 2"):
        await node.open(2)


async def test_lost_data_are_noticed_and_written_anew_under_a_fresh_fence(
    node: Node, server: RedisServer
) -> None:
    journal = await node.open(4)
    journal.store_session(entry(1))
    await committed(journal)
    server.cli("FLUSHALL")
    journal.store_session(entry(2))
    assert isinstance(await committed(journal), DataLost)
    assert (node.told, journal.is_lost) == (["lost"], True)
    await journal.begin_again(5)
    for n in (1, 2):
        journal.store_session(entry(n))
    assert await committed(journal) is None
    after = await node.open(6)
    assert sessions_of(after) == [entry(1), entry(2)]
    assert after.incarnation() >= journal.incarnation() + 1


async def test_data_that_went_back_in_time_are_noticed(node: Node, server: RedisServer) -> None:
    """As after a failover to a replica that had not heard of the last commits."""
    journal = await node.open(1)
    meta = node.client.key(TAG, "meta")
    journal.store_session(entry(1))
    await committed(journal)
    attempt = server.cli("HGET", meta, "attempt")
    journal.store_session(entry(2))
    await committed(journal)
    server.cli("HSET", meta, "attempt", attempt)
    journal.store_session(entry(3))
    assert isinstance(await committed(journal), DataLost)


async def test_what_was_begun_again_holds_no_session_that_ended_before(
    node: Node, server: RedisServer
) -> None:
    journal = await node.open(1)
    for n in (1, 2):
        journal.store_session(entry(n))
    await committed(journal)
    server.cli("HSET", node.client.key(TAG, "meta"), "attempt", "0")
    journal.forget_session(entry(1).session)
    assert isinstance(await committed(journal), DataLost)
    await journal.begin_again(2)
    journal.store_session(entry(2))
    await committed(journal)
    assert sessions_of(await node.open(3)) == [entry(2)]


async def test_it_begins_again_under_the_fence_that_it_has_where_the_lock_was_not_lost(
    node: Node, server: RedisServer
) -> None:
    journal = await node.open(1)
    for n in (1, 2):
        journal.store_session(entry(n))
        await committed(journal)
    held = [int(entry(9).session).to_bytes(8, "big"), session_value(entry(9), 0)]
    late = [1, 1, journal._attempt, "held", 2, *held]
    server.cli("HSET", node.client.key(TAG, "meta"), "attempt", "1")
    journal.forget_session(entry(1).session)
    assert isinstance(await committed(journal), DataLost)
    await journal.begin_again(1)
    assert (await node.client.run(COMMIT, journal.keys, late))[0] == b"done", "and left aside"
    journal.store_session(entry(2))
    assert await committed(journal) is None
    assert sessions_of(await node.open(2)) == [entry(2)]


async def test_who_was_overtaken_while_data_were_lost_gives_up(
    node: Node, server: RedisServer
) -> None:
    journal = await node.open(1)
    journal.store_session(entry(1))
    await committed(journal)
    server.cli("FLUSHALL")
    journal.store_session(entry(2))
    await committed(journal)
    await node.open(2)
    with pytest.raises(Fenced):
        await journal.begin_again(1)
    assert (node.told, journal.is_fenced, journal.is_lost) == (["lost", "fenced"], True, False)


async def test_expired_kicks_are_swept_also_after_a_loss(
    node: Node, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "SWEEP_S", 0.01)
    journal = await node.open(1)
    journal.store_plan(plan())
    await committed(journal)
    server.cli("FLUSHALL")
    await asyncio.sleep(0.05)
    journal.store_plan(plan())
    await committed(journal)
    await journal.begin_again(2)
    journal.store_kick(kick(1, expires_s=NOW_S))
    await committed(journal)
    while server.cli("HLEN", journal.keys[2]) != "0":  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def test_a_late_commit_is_left_aside_once_a_later_one_was_made(node: Node) -> None:
    """As when a connection hung, the commit was made again on another, and then Redis reads it."""
    journal = await node.open(1)
    journal.store_session(entry(1))
    late = list(journal.begin())
    journal.end(RedisTrouble("it hangs"))
    journal.forget_session(entry(1).session)
    journal._try_again()
    await recovered(journal)
    assert (await node.client.run(COMMIT, journal.keys, late))[0] == b"done"
    journal.store_session(entry(2))
    assert await committed(journal) is None
    assert sessions_of(await node.open(2)) == [entry(2)]


async def test_a_redis_that_is_down_is_told_at_once_and_gets_all_when_it_is_back(
    own_node: Node, own_server: RedisServer
) -> None:
    own_server.stop()
    own_server._options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    own_server.start()
    journal = await own_node.open(1)
    journal.store_session(entry(1))
    assert await committed(journal) is None
    own_server.kill()
    with structlog.testing.capture_logs() as logs:
        journal.store_kick(kick(1, expires_s=FUTURE_S))
        error = await committed(journal)
        assert isinstance(error, RedisTrouble)
        assert "is out of reach" in journal.trouble
        journal.store_session(entry(2))
        journal.forget_session(entry(1).session)
        assert isinstance(await committed(journal), RedisTrouble), "nobody waits for a timeout"
        own_server.start()
        await recovered(journal)
    assert journal.trouble == ""
    assert [line["event"] for line in logs] == ["journal_refused", "journal_recovered"]
    after = await own_node.open(2)
    assert (sessions_of(after), after.kicks()) == ([entry(2)], [kick(1, expires_s=FUTURE_S)])


async def test_that_redis_is_back_is_noticed_also_when_nothing_waits(
    own_node: Node, own_server: RedisServer
) -> None:
    journal = await own_node.open(1)
    own_server.pause()
    journal.store_session(entry(1))
    assert isinstance(await committed(journal), RedisTrouble)
    journal._queued.sessions.clear()
    own_server.resume()
    while journal.trouble:  # noqa: ASYNC110 - a retry tells nobody
        await asyncio.sleep(0.01)


async def test_a_session_whose_start_may_have_reached_redis_is_forgotten_there(
    own_node: Node, own_server: RedisServer
) -> None:
    journal = await own_node.open(1)
    own_server.pause()
    journal.store_session(entry(1))
    assert isinstance(await committed(journal), RedisTrouble)
    journal.forget_session(entry(1).session)
    own_server.resume()
    await recovered(journal)
    assert sessions_of(await own_node.open(2)) == []


async def test_a_paused_redis_costs_one_timeout_not_one_each(
    own_node: Node, own_server: RedisServer
) -> None:
    journal = await own_node.open(1)
    own_server.pause()
    journal.store_session(entry(1))
    answers = await asyncio.gather(*(committed(journal) for _ in range(50)))
    assert all(isinstance(answer, RedisTrouble) for answer in answers)
    assert "did not answer within 200 ms" in journal.trouble
    own_server.resume()
    await recovered(journal)


async def test_a_redis_that_is_full_takes_nothing_and_all_when_there_is_room(
    own_node: Node, own_server: RedisServer
) -> None:
    journal = await own_node.open(1)
    own_server.cli("CONFIG", "SET", "maxmemory", "1mb")
    journal.store_session(entry(1))
    assert "out of memory" in str(await committed(journal))
    own_server.cli("CONFIG", "SET", "maxmemory", "0")
    await recovered(journal)
    assert sessions_of(await own_node.open(2)) == [entry(1)]


async def test_what_waits_is_bounded(own_node: Node, own_server: RedisServer,
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(changes, "QUEUE_MAX", 50)
    journal = await own_node.open(1)
    own_server.pause()
    for n in range(1, 200):
        journal.store_kick(kick(n))
        journal.store_plan(plan(f"a{n}"))
        journal.store_session(moved(entry(1), n))
    assert isinstance(await committed(journal), RedisTrouble)
    queued = journal._queued
    assert (len(queued.kicks), len(queued.plans), len(queued.sessions)) == (50, 50, 1)
    own_server.resume()


async def test_scripts_that_redis_has_forgotten_are_sent_again(
    node: Node, server: RedisServer
) -> None:
    journal = await node.open(1)
    for n in (1, 2):
        server.cli("SCRIPT", "FLUSH")
        journal.store_session(entry(n))
        assert await committed(journal) is None


async def test_many_sessions_are_committed_a_piece_at_a_time_and_who_waits_hears_at_the_end(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ITEMS_MAX", 10)
    journal = await node.open(1)
    for n in range(1, 26):
        journal.store_session(entry(n))
    assert await committed(journal) is None
    assert journal._confirmed == 3
    assert len(sessions_of(await node.open(2))) == 25


async def test_commits_of_many_slices_share_a_round_trip(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = node.client.run_all

    async def counted(script: Any, batch: Any) -> list[Any]:
        calls.append(len(batch))
        return await real(script, batch)

    monkeypatch.setattr(node.client, "run_all", counted)
    journals = [await node.open(1, f"c:us:{n}") for n in range(8)]
    for n, one in enumerate(journals):
        one.store_session(entry(n + 1))
    assert await asyncio.gather(*map(committed, journals)) == [None] * 8
    assert calls == [8]


async def test_slices_do_not_see_one_another(node: Node) -> None:
    one, other = await node.open(1, "c:us:1"), await node.open(1, "c:us:10")
    one.store_session(entry(1))
    await committed(one)
    await committed(other)
    assert sessions_of(await node.open(2, "c:us:10")) == []
    assert sessions_of(await node.open(2, "c:us:1")) == [entry(1)]


async def test_a_record_that_cannot_be_read_is_told_left_out_and_forgotten(
    node: Node, server: RedisServer
) -> None:
    first = await node.open(1)
    for n in (1, 2, 3):
        first.store_session(entry(n))
        first.store_kick(kick(n, expires_s=FUTURE_S))
    await committed(first)
    for name, key in (("sessions", entry(2).session), ("kicks", kick(2).session)):
        script = f"redis.call('HSET', KEYS[1], ARGV[1], {name!r})"
        field = int(key).to_bytes(8, "big")
        await node.client.run(Script(script), [node.client.key(TAG, name)], [field])
    with structlog.testing.capture_logs() as logs:
        second = await node.open(2)
        assert sessions_of(second) == [entry(1), entry(3)]
        assert second.kicks() == [kick(n, expires_s=FUTURE_S) for n in (1, 3)]
    assert {line["event"] for line in logs} == {"journal_sessions_lost", "journal_records_lost"}
    await committed(second)
    assert len(sessions_of(await node.open(3))) == 2
    assert server.cli("HLEN", node.client.key(TAG, "sessions")) == "2"


async def test_expired_kicks_are_not_told_and_swept_a_few_at_a_time(
    node: Node, server: RedisServer
) -> None:
    first = await node.open(1)
    for n in range(1, 8):
        first.store_kick(kick(n, expires_s=NOW_S))
    first.store_kick(kick(8, expires_s=FUTURE_S))
    await committed(first)
    second = await node.open(2)
    assert second.kicks() == [kick(8, expires_s=FUTURE_S)]
    keys = [node.client.key(TAG, name) for name in KEYS]
    swept = [await node.client.run(SWEEP, keys, [2, 5, 10, 5]) for _ in range(3)]
    assert swept == [[5, 0], [2, 0], [0, 0]]
    assert (server.cli("HLEN", keys[2]), server.cli("ZCARD", keys[3])) == ("1", "1")
    assert await node.client.run(SWEEP, keys, [1, 5, 10, 5]) == [-1, 0]


async def test_plans_beyond_their_limit_are_swept_too(node: Node, server: RedisServer) -> None:
    first = await node.open(1)
    for n in range(10):
        first.store_plan(plan(f"a{n}"))
    await committed(first)
    keys = first.keys
    swept = [await node.client.run(SWEEP, keys, [1, 5, 3, 5]) for _ in range(3)]
    assert swept == [[0, 5], [0, 2], [0, 0]]
    assert server.cli("HLEN", keys[4]) == "3"


# ---- when devices were heard -------------------------------------------------------------------


async def test_the_next_owner_knows_how_long_each_device_has_been_silent(node: Node) -> None:
    first = await node.open(1)
    for n in (1, 2, 3, 4):
        first.store_session(moved(entry(n), n))
    sessions = array("Q", [entry(1).session, entry(2).session, entry(3).session, 0])
    first.store(0, sessions, bytes([0, 40, 255, 7]))
    await committed(first)
    second = await node.open(2)
    sessions_of(second)
    silent = [second.silent_ms(entry(n).session) for n in (1, 2, 3, 4)]
    assert silent[0] is not None
    assert silent[1] is not None
    assert 0 <= silent[0] < 5_000
    assert 40_000 <= silent[1] < 45_000
    assert silent[2:] == [None, None], "beyond what is told, and never told"


async def test_of_a_session_that_has_ended_no_time_is_told(node: Node) -> None:
    """Peers may still tell of it: they have not heard of its end."""
    first = await node.open(1)
    first.store_session(entry(1))
    first.store(0, array("Q", [entry(1).session]), bytes(1))
    await committed(first)
    first.forget_session(entry(1).session)
    await committed(first)
    assert (await node.open(2)).silent_ms(entry(1).session) is None


async def test_times_are_told_before_the_sessions_are_read(node: Node) -> None:
    """A region asks for them first: peers have told it of its sessions already."""
    first = await node.open(1)
    first.store_session(entry(1))
    first.store_session(moved(entry(2), 9))
    first.store(0, array("Q", [entry(2).session]), bytes(1))
    await committed(first)
    second = await node.open(2)
    assert None not in [second.silent_ms(entry(n).session) for n in (1, 2)]


async def test_a_start_is_a_sign_of_life_and_holding_on_is_none(node: Node) -> None:
    first = await node.open(1)
    first.store_session(entry(1))
    first.store_session(moved(entry(2), 9))
    first.store_session(entry(3)._replace(unconfirmed=True))
    await committed(first)
    second = await node.open(2)
    sessions_of(second)
    silent = [second.silent_ms(entry(n).session) for n in (1, 2, 3)]
    assert silent[0] is not None
    assert silent[0] < 5_000
    assert silent[1:] == [None, None]


async def test_what_is_told_again_after_a_loss_is_no_sign_of_life(
    node: Node, server: RedisServer
) -> None:
    first = await node.open(1)
    first.store_session(entry(1))
    await committed(first)
    server.cli("FLUSHALL")
    first.store_session(entry(1))
    assert isinstance(await committed(first), DataLost)
    await first.begin_again(2)
    first.store_session(entry(1))
    await committed(first)
    second = await node.open(3)
    assert sessions_of(second) == [entry(1)]
    assert second.silent_ms(entry(1).session) is None


async def test_a_block_is_believed_rather_than_when_the_session_was_stored(node: Node) -> None:
    first = await node.open(1)
    first.store(0, array("Q", [entry(1).session]), bytes([30]))
    first.store_session(entry(1))
    await committed(first)
    second = await node.open(2)
    sessions_of(second)
    silent = second.silent_ms(entry(1).session)
    assert silent is not None
    assert silent >= 30_000


async def test_of_several_times_the_latest_counts(node: Node) -> None:
    first = await node.open(1)
    first.store_session(moved(entry(1), 9))
    for block, silent_s in ((0, 50), (1, 20), (2, 70)):
        first.store(block, array("Q", [entry(1).session]), bytes([silent_s]))
    await committed(first)
    silent = (await node.open(2)).silent_ms(entry(1).session)
    assert silent is not None
    assert 20_000 <= silent < 25_000


async def test_blocks_of_earlier_owners_go_when_all_have_been_written_anew(
    node: Node, server: RedisServer
) -> None:
    first = await node.open(1)
    for block in range(3):
        first.store(block, array("Q", [entry(block + 1).session]), bytes(1))
    await committed(first)
    second = await node.open(2)
    second.store(1, array("Q", [entry(7).session]), bytes(1))
    await committed(second)
    assert server.cli("HLEN", second.keys[5]) == "3"
    second.all_stored()
    await committed(second)
    assert server.cli("HKEYS", second.keys[5]) == "1"


async def test_closing_commits_what_waits(client: RedisClient) -> None:
    node = Node(client)
    journal = await node.open(1)
    journal.store_session(entry(1))
    await node.close()
    after = Node(client)
    assert sessions_of(await after.open(2)) == [entry(1)]
    await after.close()


async def test_a_settings_object_is_enough_to_open_one(server: RedisServer) -> None:
    settings = RedisSettings.parse(server.url, prefix="mine")
    client = await RedisClient.connect(settings)
    node = Node(client)
    await node.open(1)
    assert server.cli("KEYS", "*") == "mine:{c:us:0}:meta"
    await node.close()
    await client.close()

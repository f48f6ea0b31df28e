"""Repeated calls, unknown ids, tokens that nobody signed: the documented answer, nothing moves."""

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import KEPT, Answer, Client, until
from tests.e2e.cluster import Cluster, running

NO_ID = ["us-1-fffff", "us-9-1", "xx-1-1", "us-1-0", "%00", "us", "1" * 200]


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    return {"heartbeat_s": 30.0, "lease_s": 90.0}


async def test_a_kick_of_an_id_that_the_account_does_not_have_is_404(
    client: Client, kept: Answer
) -> None:
    for region in client.names:
        for session in NO_ID:
            assert (await client.kick(KEPT, session, region=region)).status == 404, session
        assert (await client.kick("nobody", kept.id, region=region)).status == 404


async def test_repeating_a_kick_is_the_same_answer_in_every_region(
    client: Client, kept: Answer
) -> None:
    ended = await client.start("again", "tv-1")
    await client.all_list("again", [ended.id])
    first = await client.kick("again", ended.id, region="eu")
    assert (first.status, first.body["effect"]) == (200, "ended")
    for region in client.names * 2:
        again = await until(
            partial(client.kick, "again", ended.id, region=region),
            lambda answer: answer.body["effect"] == "ended",
            within_s=1,
        )
        assert again.body["session"] == first.body["session"]
        beat = await client.heartbeat(ended.token, region=region)
        assert (beat.status, beat.body["reason"]) == (410, "kicked")
        assert (await client.stop(ended.token, region=region)).status == 204
        beat = await client.heartbeat(ended.token, region=region)
        assert beat.body["reason"] == "kicked", "a stop does not hide a kick"
    await client.all_list("again", [])


async def test_repeating_a_stop_is_the_same_answer_and_never_ends_the_next_session(
    client: Client, kept: Answer
) -> None:
    stopped = await client.start("stops", "tv-1")
    for region in client.names * 2:
        assert (await client.stop(stopped.token, region=region)).status == 204
    playing = await client.start("stops", "tv-1")
    assert playing.status == 201
    for region in client.names:
        assert (await client.stop(stopped.token, region=region)).status == 204
        beat = await client.heartbeat(stopped.token, region=region)
        assert beat.status == 410
    assert (await client.heartbeat(playing.token)).status == 200
    await client.all_list("stops", [playing.id])


async def test_stops_heartbeats_and_starts_at_the_same_moment_leave_one_truth(
    client: Client, kept: Answer
) -> None:
    for turn in range(5):
        playing = await client.start(f"mixed-{turn}", "tv-1")
        answers = await asyncio.gather(
            *(client.heartbeat(playing.token, region=region) for region in client.names),
            *(client.stop(playing.token, region=region) for region in client.names),
            *(client.heartbeat(playing.token, region=region) for region in client.names),
        )
        assert {answer.status for answer in answers} <= {200, 204, 410}
        await client.all_list(f"mixed-{turn}", [])
        assert (await client.start(f"mixed-{turn}", "tv-2", region="eu")).status == 201


def broken(token: str) -> list[str]:
    """Tokens that nobody signed."""
    flipped = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(0, len(token), 5)
    ]
    cut = [token[:length] for length in range(0, len(token), 7)]
    return [*flipped, *cut, token + "A", token * 2, "x" * 4000, "....", "\u00e9t\u00e9", "a b"]


async def test_a_token_that_nobody_signed_is_401_everywhere(
    client: Client, cluster: Cluster, kept: Answer
) -> None:
    for number, token in enumerate(broken(kept.token)):
        region = client.names[number % 3]
        assert (await client.heartbeat(token, region=region)).status == 401, token
        assert (await client.stop(token, region=region)).status == 401, token
        body = (await client.introspect(token, region=region)).body
        assert body == {"active": False}, token
        events = await client.call("GET", "/v1/sessions/events", token=token, region=region)
        assert events.status == 401
    batch = [token.encode() for token in broken(kept.token)]
    assert set((await client.batch(batch)).body) == {401}
    assert (await client.call("POST", "/v1/sessions/heartbeat")).status == 401
    assert (await client.call("POST", "/v1/sessions/stop", data=b"\xff\xfe")).status in (401, 422)
    for value in ("Basic dTpw", "Bearer", "bearer  ", "Bearer \u00e9"):
        answer = await client.call(
            "POST", "/v1/sessions/heartbeat", headers={"Authorization": value}
        )
        assert answer.status in (400, 401), value


async def test_a_token_of_another_cluster_is_401_also_under_the_same_key(
    client: Client, cluster: Cluster, kept: Answer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = cluster["us"].plan.config_file.read_text(encoding="utf-8")
    ours = config[config.index("[[keys.session]]") :]
    with running(tmp_path_factory.mktemp("other"), name="other", names=["us"]) as other:
        text = other["us"].plan.config_file.read_text(encoding="utf-8")
        other["us"].kill()
        text = text[: text.index("[[keys.session]]")] + ours
        other["us"].plan.config_file.write_text(text, encoding="utf-8")
        other["us"].start()
        other["us"].wait_until_ready()
        async with aiohttp.ClientSession() as http:
            stranger = Client(other, http)
            await stranger.read_document()
            started = await stranger.start(KEPT, "tv-1")
            assert started.status == 201
            assert (await stranger.heartbeat(kept.token)).status == 401
        assert other.troubles == []
    for region in client.names:
        assert (await client.heartbeat(started.token, region=region)).status == 401
        assert (await client.stop(started.token, region=region)).status == 401

"""Many starts of one account at the same moment, and one device that starts again and again."""

import asyncio
import math

import pytest

from tests.e2e.client import Answer, Client, instant_s, until

EVIDENCE_AGE_S = 3.0
ROUNDING_S = 0.02


async def beat_all(client: Client, admitted: list[Answer]) -> dict[str, Answer]:
    """One heartbeat of each session, in the region that admitted it."""
    answers = await asyncio.gather(
        *(client.heartbeat(a.token, region=a.body["session"]["region"]) for a in admitted)
    )
    return {a.id: answer for a, answer in zip(admitted, answers, strict=True)}


@pytest.mark.parametrize("account", ["race-1", "race-2", "race-3"])
async def test_of_200_simultaneous_starts_on_basic_exactly_one_lives_a_second_later(
    client: Client, account: str
) -> None:
    answers = await asyncio.gather(
        *(
            client.start(account, f"device-{number}", region=client.names[number % 3])
            for number in range(200)
        )
    )
    admitted = [answer for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status == 409]
    assert len(admitted) + len(refused) == 200
    beats = await until(
        lambda: beat_all(client, admitted),
        lambda found: sum(beat.status == 200 for beat in found.values()) == 1,
        within_s=1,
    )
    (winner,) = [session for session, beat in beats.items() if beat.status == 200]
    losers = {session: beat for session, beat in beats.items() if session != winner}
    assert {(beat.status, beat.body["reason"]) for beat in losers.values()} <= {(410, "limit")}
    await client.all_list(account, [winner])
    began_s = {a.id: instant_s(a.body["session"]["started_at"]) for a in admitted}
    ended_s = {session: instant_s(beat.body["at"]) for session, beat in losers.items()}
    ended_s[winner] = math.inf
    for answer in refused:
        assert answer.body["limit"] == 1
        assert answer.blockers
        for blocker in answer.body["sessions"]:
            known_s = answer.sent_at_s - blocker["evidence"]["age_s"] - ROUNDING_S
            assert blocker["evidence"]["age_s"] <= EVIDENCE_AGE_S
            assert began_s[blocker["id"]] <= answer.received_at_s + ROUNDING_S
            assert ended_s[blocker["id"]] >= known_s, "it names a session that had ended"


async def test_a_device_that_starts_again_without_stopping_is_always_admitted_in_one_slot(
    client: Client,
) -> None:
    old: list[Answer] = []
    for turn in range(20):
        region = client.names[turn % 3]
        again = await client.start("again-1", "tv-1", region=region)
        assert again.status == 201, (turn, again)
        old.append(again)
    last = old.pop()
    for answer in old:
        for region in client.names:
            beat = await client.heartbeat(answer.token, region=region)
            assert (beat.status, beat.body["reason"]) == (410, "superseded")
    await client.all_list("again-1", [last.id])
    assert (await client.heartbeat(last.token)).status == 200
    refused = await client.start("again-1", "phone", region="eu")
    assert refused.status == 409
    assert refused.blockers == [last.id]


async def test_a_household_at_its_limit_restarts_its_devices_at_will(client: Client) -> None:
    tokens: dict[str, Answer] = {}
    for turn in range(12):
        device = f"device-{turn % 4}"
        tokens[device] = await client.start(
            "again-2", device, plan="premium", region=client.names[turn % 3]
        )
        assert tokens[device].status == 201, (turn, tokens[device])
    await client.all_list("again-2", [answer.id for answer in tokens.values()])
    beats = await beat_all(client, list(tokens.values()))
    assert {beat.status for beat in beats.values()} == {200}


async def test_the_same_device_started_in_three_regions_at_once_keeps_one_session(
    client: Client,
) -> None:
    answers = await asyncio.gather(
        *(client.start("again-3", "tv-1", region=region) for region in client.names)
    )
    assert {answer.status for answer in answers} == {201}
    beats = await until(
        lambda: beat_all(client, list(answers)),
        lambda found: sum(beat.status == 200 for beat in found.values()) == 1,
        within_s=2,
    )
    (winner,) = [session for session, beat in beats.items() if beat.status == 200]
    await client.all_list("again-3", [winner])

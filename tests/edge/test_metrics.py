"""Metrics: bounded, named as the field does, and without anybody's id."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crdt.dots import RegionId, SessionId
from crdt.events import Device
from georeg.edge.region_metrics import RefusalMetrics
from georeg.region.model import Blocker, How, Refused, SessionInfo, State
from georeg.region.reporting import TROUBLE
from tests.edge.world import World


async def scrape(world: World) -> tuple[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    answer = await world.call("GET", "/metrics")
    assert answer.status == 200
    text = answer.body.decode()
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return text, samples


async def test_a_scrape_counts_what_was_answered_and_what_the_region_holds() -> None:
    async with World(names=("us", "eu")) as world:
        started = await world.while_time_passes(world.start())
        await world.while_time_passes(world.start(device="tv-2"))
        for _ in range(3):
            await world.heartbeat(started.body["token"])
        await world.heartbeat("wrong")
        _, samples = await scrape(world)
        requests = "georeg_http_requests_total"
        for route, status, problem, count in (
            ("heartbeat", "200", "", 3),
            ("heartbeat", "401", "unauthorized", 1),
            ("start", "201", "", 1),
            ("start", "409", "limit-reached", 1),
        ):
            labels = (("problem", problem), ("route", route), ("status", status))
            assert samples[requests, labels] == count
        answers = "georeg_http_request_duration_seconds_count"
        assert samples[answers, (("route", "heartbeat"),)] == 4
        assert samples["georeg_starts_total", (("outcome", "refused"),)] == 1
        assert samples["georeg_sessions", ()] == 1
        assert samples["georeg_ready", ()] == 1
        assert samples["georeg_peer_state", (("peer", "eu"), ("state", "up"))] == 1
        assert samples["georeg_peer_state", (("peer", "eu"), ("state", "down"))] == 0
        assert ("georeg_peer_beacon_age_seconds", (("peer", "eu"),)) in samples


async def test_a_scrape_tells_of_a_disk_that_refuses_and_readiness_does_not() -> None:
    async with World(names=("us", "eu")) as world:
        _, samples = await scrape(world)
        lost_and_refused = ("georeg_journal_lost", ()), ("georeg_journal_refused", ())
        assert [samples[name] for name in lost_and_refused] == [0, 0]
        for journal in world.journals.values():
            journal.trouble = "the disk is full"
        _, samples = await scrape(world)
        assert [samples[name] for name in lost_and_refused] == [0, 1]
        assert samples["georeg_ready", ()] == 1
        assert (await world.call("GET", "/readyz")).status == 200


async def test_refusals_are_counted_with_the_age_of_the_evidence_that_they_rest_on() -> None:
    async with World(names=("us", "eu")) as world:
        await world.while_time_passes(world.start())
        world.clock.advance(7_000)
        refused = await world.while_time_passes(world.start(device="tv-2"))
        assert refused.status == 409
        _, samples = await scrape(world)
        local = ("evidence", "local")
        assert samples["georeg_refusals_total", (local,)] == 1
        assert samples["georeg_refusals_total", (("evidence", "beacon"),)] == 0
        ages = "georeg_refusal_evidence_age_seconds"
        assert samples[ages + "_bucket", (local, ("le", "5.0"))] == 0
        assert samples[ages + "_bucket", (local, ("le", "10.0"))] == 1
        assert abs(samples[ages + "_sum", (local,)] - 7) < 0.5


def test_a_refusal_on_a_beacon_is_as_old_as_the_beacon_not_as_the_devices_that_are_here() -> None:
    info = SessionInfo(
        SessionId(1), "anna", Device("tv-1", "", ""), "", RegionId(1), 0, 0, State.LIVE, 0, 0
    )
    blockers = (Blocker(info, How.LOCAL, 29_000), Blocker(info, How.BEACON, 900))
    metrics = RefusalMetrics()
    metrics.observe(Refused(2, How.BEACON, blockers, 1))
    (family,) = metrics.collect()
    sums = {
        sample.labels["evidence"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_sum")
    }
    assert sums == {"local": 0, "confirmed": 0, "beacon": 0.9}


@pytest.mark.parametrize(
    ("names", "problem"), [(("us", "eu"), "draining"), (("us",), "unavailable")]
)
async def test_a_drain_that_sends_its_callers_elsewhere_is_told_from_an_error(
    names: tuple[str, ...], problem: str
) -> None:
    async with World(names=names) as world:
        world.region.drain.begin(force=len(names) == 1)
        assert (await world.start()).status == 503
        _, samples = await scrape(world)
        answers = {
            dict(labels)["problem"]: count
            for (name, labels), count in samples.items()
            if name == "georeg_http_requests_total" and ("route", "start") in labels
        }
        # Errors are there before the first one: Prometheus would not see a step from nothing.
        assert answers == {"": 0, "unavailable": 0, problem: 1}


async def test_each_other_region_has_its_lag_its_silence_and_its_clock() -> None:
    async with World(names=("us", "eu")) as world:
        world.cut.add(RegionId(2))
        world.clock.advance(20_000)
        _, samples = await scrape(world)
        peer = (("peer", "eu"),)
        assert 19 < samples["georeg_peer_silent_seconds", peer] < 22
        assert 19 < samples["georeg_peer_lag_seconds", peer] < 23
        assert samples["georeg_peer_events_missing", peer] == 0
        assert abs(samples["georeg_peer_clock_ahead_seconds", peer]) < 0.1


async def test_counters_of_trouble_are_there_before_there_is_trouble() -> None:
    async with World() as world:
        _, samples = await scrape(world)
        for name in TROUBLE:
            assert samples[f"georeg_region_{name}_total", ()] == 0


async def test_no_account_device_or_session_is_ever_a_label() -> None:
    async with World() as world:
        started = await world.start()
        await world.call("GET", "/v1/accounts/acc-42/sessions")
        await world.call("GET", "/v1/unknown/acc-42/tv-1")
        text, _ = await scrape(world)
        for secret in ("acc-42", "tv-1", started.body["session"]["id"], started.body["token"]):
            assert secret not in text


async def test_every_metric_has_the_prefix_and_its_help() -> None:
    async with World() as world:
        await world.start()
        text, _ = await scrape(world)
        for family in text_string_to_metric_families(text):
            assert family.name.startswith(("georeg_", "process_"))
            assert family.documentation

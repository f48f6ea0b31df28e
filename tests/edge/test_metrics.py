"""Metrics: bounded, named as the field does, and without anybody's id."""

from prometheus_client.parser import text_string_to_metric_families

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
        assert samples[requests, (("route", "heartbeat"), ("status", "200"))] == 3
        assert samples[requests, (("route", "heartbeat"), ("status", "401"))] == 1
        assert samples[requests, (("route", "start"), ("status", "201"))] == 1
        assert samples[requests, (("route", "start"), ("status", "409"))] == 1
        count = "georeg_http_request_duration_seconds_count"
        assert samples[count, (("route", "heartbeat"),)] == 4
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

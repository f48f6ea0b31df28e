"""The compose file, played on loopback addresses: three regions of two nodes, each with its Redis,
and Toxiproxy between them, by the very configs and command lines that Docker would be given.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import call, eventually
from tests.infra.composed import Stage, is_node, services

pytestmark = [pytest.mark.redis, pytest.mark.toxiproxy, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """All of it, ready."""
    with Stage(tmp_path_factory.mktemp("stage"), keys) as stage:
        yield stage


def test_a_stream_is_known_at_every_node_of_every_region(stage: Stage) -> None:
    def hears_all(node: str) -> bool:
        peers = call("GET", f"{stage.ops(node)}/v1/peers", token=stage.key("operator"))[1]["peers"]
        return all(peer["round_trip_s"] is not None for peer in peers)

    nodes = [name for name, service in services().items() if is_node(service)]
    for node in nodes:
        eventually(lambda node=node: hears_all(node), "links are up")  # type: ignore[misc]
    status, answer = stage.start("us-1", "anna", "tv-1")
    assert status == 201, answer
    for node in nodes:
        status, refused = stage.start(node, "anna", "phone-1")
        assert (status, refused["type"]) == (409, "/problems/limit-reached"), node
    token = answer["token"]
    assert call("POST", f"{stage.edge('us-2')}/v1/sessions/stop", token=token)[0] == 204


def test_what_operators_do_is_in_the_log_of_the_container_that_did_it(stage: Stage) -> None:
    for account in ("anna", "bob", "carol", "dave"):
        url = f"{stage.ops('ap-2')}/v1/accounts/{account}/sessions"
        assert call("DELETE", url, token=stage.key("operator"))[0] == 200
    written = [stage.output(f"ap-{node}").count('"logger":"georeg.audit"') for node in (1, 2)]
    assert sum(written) >= 4


def test_redis_keeps_a_log_and_wants_its_password(stage: Stage) -> None:
    assert stage.ask_redis("us-redis", "PING", password=False) == "NOAUTH Authentication required."
    settings = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    for name, value in settings.items():
        assert stage.ask_redis("us-redis", "CONFIG", "GET", name).split() == [name, value]


def test_every_node_runs_its_share_of_the_slices(stage: Stage) -> None:
    for name, service in services().items():
        if is_node(service):
            assert '"event": "slice_taken"' in stage.output(name), name

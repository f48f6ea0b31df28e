"""A region of many nodes, as its config file says it."""

from pathlib import Path

import pytest

from georeg.config.store import SLICES, stored_in, with_addresses
from georeg.store.redis.address import Kind
from tests.config.example import EXAMPLE, mistakes_of, read

STORE = '\n[store]\nurl = "redis://10.0.0.9:6380/2"\n'


def test_without_a_store_a_region_is_one_process() -> None:
    assert read(EXAMPLE).store is None


def test_what_is_left_out_follows_from_where_the_node_listens() -> None:
    store = read(EXAMPLE + STORE).store
    assert store is not None
    assert (store.redis.hosts, store.redis.database) == ((("10.0.0.9", 6380),), 2)
    assert (store.redis.prefix, store.slices, store.node) == ("georeg", SLICES, "")
    assert store.edge_url == "http://127.0.0.1:7401"
    assert store.mesh_url == "ws://127.0.0.1:7501"
    assert store.ops_url == ""


def test_what_is_given_counts() -> None:
    more = (
        'prefix = "video"\nslices = 16\nnode = "us-1"\nedge_url = "http://10.1.1.1:80"\n'
        'mesh_url = "wss://10.1.1.1:81"\nops_url = "http://10.1.1.1:82"\n'
    )
    store = read(EXAMPLE + STORE + more).store
    assert store is not None
    assert (store.redis.prefix, store.slices, store.node) == ("video", 16, "us-1")
    urls = (store.edge_url, store.mesh_url, store.ops_url)
    assert urls == ("http://10.1.1.1:80", "wss://10.1.1.1:81", "http://10.1.1.1:82")


def test_the_further_addresses_of_a_peer_are_dialled_as_well() -> None:
    text = EXAMPLE.replace(
        "number = 2", 'number = 2\nmore_urls = ["ws://127.0.0.1:7602/mesh", "ws://127.0.0.1:7603"]'
    )
    assert read(text).peers[0].more_urls == ("ws://127.0.0.1:7602", "ws://127.0.0.1:7603")
    (mistake,) = mistakes_of(EXAMPLE.replace("number = 2", 'number = 2\nmore_urls = ["eu:7602"]'))
    assert (mistake.key, mistake.message) == (
        "peer[0].more_urls", '"eu:7602" is not allowed here',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ("", "store.url", "is missing"),
        ('url = "http://10.0.0.9"', "store.url", "is no address of Redis"),
        ('url = "redis://h"\nslices = 3', "store.slices", "3 does not divide 64"),
        ('url = "redis://h"\nslices = 128', "store.slices", "not between 1 and 64"),
        ('url = "redis://h"\nedge_url = "10.0.0.1:80"', "store.edge_url", "not allowed here"),
        ('url = "redis://h"\npassword_file = "none"', "store.url", "cannot read the password"),
        ('url = "redis://h"\nslice = 4', "store.slice", "is not a known key"),
    ],
)
def test_each_mistake_is_told(change: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(f"{EXAMPLE}\n[store]\n{change}\n")
    assert mistake.key == key
    assert message in mistake.message


def test_a_node_that_listens_everywhere_must_say_where_it_is_reached() -> None:
    text = EXAMPLE.replace('host = "127.0.0.1"', 'host = "0.0.0.0"')
    assert [mistake.key for mistake in mistakes_of(text + STORE)] == [
        "store.edge_url", "store.mesh_url",
    ]  # fmt: skip
    urls = 'edge_url = "http://10.1.1.1:80"\nmesh_url = "ws://10.1.1.1:81"\n'
    assert mistakes_of(text + STORE + urls) == []


def test_a_store_on_the_command_line_is_one_with_all_else_by_default() -> None:
    config = read(EXAMPLE, directory=Path("/etc"))
    store = with_addresses(
        stored_in("redis+sentinel://a,b/main"), config.edge, config.mesh, config.ops
    )
    assert store.redis.kind is Kind.SENTINEL
    assert (store.slices, store.edge_url) == (SLICES, "http://127.0.0.1:7401")

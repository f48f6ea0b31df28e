"""Where a node of a region of many is reached by the others, so that all may share one file."""

import pytest

from tests.config.example import EXAMPLE, mistakes_of, read

STORE = '\n[store]\nurl = "redis://127.0.0.1:6379"\n'
EVERYWHERE = EXAMPLE.replace('host = "127.0.0.1"', 'host = "0.0.0.0"')


def test_nodes_that_share_a_file_have_their_host_from_the_environment() -> None:
    text = EVERYWHERE + STORE + 'host_env = "NODE_HOST"\n'
    for host in ("us-1", "10.0.1.7"):
        store = read(text, NODE_HOST=host).store
        assert store is not None
        assert store.edge_url == f"http://{host}:7401"
        assert store.mesh_url == f"ws://{host}:7501"


def test_an_address_of_ipv6_stands_in_brackets_in_what_others_are_told() -> None:
    store = read(EVERYWHERE + STORE + 'host = "fd00::7"\n').store
    assert store is not None
    assert store.edge_url == "http://[fd00::7]:7401"


def test_an_address_that_is_given_whole_counts_more_than_the_host() -> None:
    text = EVERYWHERE + STORE + 'host = "us-1"\nmesh_url = "wss://mesh.us-1:443"\n'
    store = read(text).store
    assert store is not None
    assert (store.edge_url, store.mesh_url) == ("http://us-1:7401", "wss://mesh.us-1:443")


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])  # noqa: S104
def test_a_node_that_listens_everywhere_must_say_where_others_reach_it(everywhere: str) -> None:
    text = EXAMPLE.replace('host = "127.0.0.1"', f'host = "{everywhere}"') + STORE
    assert [mistake.key for mistake in mistakes_of(text)] == ["store.edge_url", "store.mesh_url"]
    assert mistakes_of(text + 'host = "us-1"\n') == []


def test_a_variable_that_is_not_set_and_a_host_that_is_none_are_told() -> None:
    text = EVERYWHERE + STORE
    assert [m.key for m in mistakes_of(text + 'host_env = "NODE_HOST"\n')] == ["store.host_env"]
    wrong = mistakes_of(text + 'host_env = "NODE_HOST"\n', NODE_HOST="http://us-1")
    assert [mistake.key for mistake in wrong] == ["store.host_env"]

"""Wrong settings are told at once, by name."""

from dataclasses import fields
from typing import Any

import pytest

from crdt.dots import RegionId
from georeg.mesh import Identity, LocalError, MeshSettings, Peer


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://10.0.0.2:7501", "ws://10.0.0.2:7501/mesh"),
        ("wss://eu.example/", "wss://eu.example/mesh"),
        ("wss://[::1]:7501/mesh", "wss://[::1]:7501/mesh"),
    ],
)
def test_the_path_of_a_peer_may_be_left_out(url: str, address: str) -> None:
    assert str(Peer("eu", url).address()) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "eu.example:7501",
        "http://eu.example",
        "ws://",
        "ws://eu.example:70000",
        "ws://eu.example:0",
        "ws://eu.example/other",
        "ws://eu.example/mesh?key=1",
        "ws://user@eu.example",
    ],
)
def test_a_url_that_cannot_be_dialled_is_refused(url: str) -> None:
    with pytest.raises(LocalError, match="peer eu"):
        Peer("eu", url)


@pytest.mark.parametrize(
    "cluster", ["", "a b", "-a", "x" * 65, "caf\N{LATIN SMALL LETTER E}\u0301"]
)
def test_a_cluster_name_is_short_and_plain(cluster: str) -> None:
    with pytest.raises(LocalError, match="cluster name"):
        Identity(cluster, RegionId(1), "us")


@pytest.mark.parametrize("region", [0, -1, 256])
def test_a_region_number_fits_into_a_dot(region: int) -> None:
    with pytest.raises(LocalError, match="region number"):
        Identity("test", RegionId(region), "us")


NUMBERS = [field.name for field in fields(MeshSettings) if field.type is int]


@pytest.mark.parametrize("name", NUMBERS)
def test_no_limit_or_time_may_be_zero(name: str) -> None:
    changes: dict[str, Any] = {name: 0}
    with pytest.raises(LocalError, match=name):
        MeshSettings(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"silence_ms": 1_999},
        {"backoff_first_ms": 2_000},
        {"outbox_bytes_max": 1_000},
        {"bytes_per_s": 1_000},
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        MeshSettings(**changes)

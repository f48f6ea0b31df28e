"""A right file gives the config that it says, with what follows from it."""

from dataclasses import fields
from pathlib import Path

import pytest

from crdt.versions import NEWEST
from georeg.config import ConfigError, load
from georeg.config.settings import BOUNDS
from georeg.edge.jwk import VerificationKey
from georeg.region.settings import Excess, OnLimit, PlanPolicy, Settings
from tests.config.example import CLUSTER_KEY, EXAMPLE, SESSION_KEY, mistakes_of, read, with_line


def test_the_example_has_no_mistake() -> None:
    assert mistakes_of(EXAMPLE) == []


def test_places_and_regions_are_as_the_file_says() -> None:
    config = read(EXAMPLE, directory=Path("/etc/georeg"))
    assert (config.cluster, config.name, config.number) == ("demo", "us", 1)
    assert (config.edge.host, config.edge.port, config.edge.dev) == ("127.0.0.1", 7401, False)
    assert [(peer.name, peer.number, peer.url) for peer in config.peers] == [
        ("eu", 2, "ws://127.0.0.1:7502"),
        ("ap", 3, "ws://127.0.0.1:7503"),
    ]
    assert config.data_dir == Path("/etc/georeg/data")


def test_the_addresses_that_devices_are_told_end_without_a_slash_and_may_be_left_out() -> None:
    assert read(EXAMPLE).edge.public_url == ""
    assert [peer.edge_url for peer in read(EXAMPLE).peers] == ["", ""]
    text = with_line('public_url = "https://us.example"', after="port = 7401")
    text = text.replace("number = 3", 'number = 3\nedge_url = "http://ap.example:8080/streams/"')
    config = read(text)
    assert config.edge.public_url == "https://us.example"
    assert config.peers[1].edge_url == "http://ap.example:8080/streams"


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("https://us.example/", "https://ap.example", "peer[0].edge_url"),
        ("https://eu.example", "https://eu.example", "peer[1].edge_url"),
    ],
)
def test_no_two_regions_have_one_address_for_devices(first: str, second: str, key: str) -> None:
    text = with_line('public_url = "https://us.example"', after="port = 7401")
    text = text.replace("number = 2", f'number = 2\nedge_url = "{first}"')
    text = text.replace("number = 3", f'number = 3\nedge_url = "{second}"')
    (mistake,) = mistakes_of(text)
    assert mistake.key == key
    assert "address as well" in mistake.message


def test_a_stopping_region_answers_for_five_more_seconds_unless_the_file_says_otherwise() -> None:
    assert read(EXAMPLE).edge.drain_s == 5
    assert read(with_line("drain_s = 0", after="port = 7401")).edge.drain_s == 0


def test_a_region_speaks_the_newest_protocol_unless_the_file_holds_it_to_an_older_one() -> None:
    assert read(EXAMPLE).mesh.protocol_max == NEWEST
    assert read(with_line("protocol_max = 1", after="port = 7501")).mesh.protocol_max == 1


def test_a_shorter_heartbeat_shortens_what_follows_from_it() -> None:
    settings = read(EXAMPLE).settings
    assert settings.heartbeat_ms == 10_000
    assert settings.client_lease_ms == 30_000
    assert 20_000 < settings.suspect_ms < 22_000
    assert settings.ends_memory_ms == 90_000


def test_times_are_given_in_seconds_and_the_rest_as_it_is() -> None:
    text = with_line("deadline_s = 0.12\ndrift = 0.01\ndefault_limit = 2", after="heartbeat_s")
    settings = read(text).settings
    assert (settings.deadline_ms, settings.drift, settings.default_limit) == (120, 0.01, 2)


def test_every_setting_of_a_region_can_be_given() -> None:
    elsewhere = {"plans", "election", "lock_ttl_ms"}
    assert set(BOUNDS) == {field.name for field in fields(Settings)} - elsewhere


def test_the_defaults_lie_within_their_bounds() -> None:
    defaults = Settings()
    for name, (low, high) in BOUNDS.items():
        value = getattr(defaults, name)
        assert low <= (value / 1000 if name.endswith("_ms") else value) <= high, name


def test_plans_replace_the_default_ones() -> None:
    policy = 'on_limit = "end_oldest"\nexcess = "end"'
    plans = read(with_line(policy, after="limit = 1")).settings.plans
    assert plans == {"basic": PlanPolicy(1, OnLimit.END_OLDEST, Excess.END)}
    without = EXAMPLE.replace("[plans.basic]\nlimit = 1\n", "")
    assert read(without).settings.plans == Settings().plans


def test_a_secret_may_stand_in_the_file_beside_it_or_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_text(SESSION_KEY + "\n")
    text = EXAMPLE.replace(f'secret = "{CLUSTER_KEY}"', 'secret_env = "CLUSTER"')
    text = text.replace(f'secret = "{SESSION_KEY}"', 'secret_file = "session.key"')
    keys = read(text, directory=tmp_path, CLUSTER=CLUSTER_KEY).keys
    assert keys == read(EXAMPLE).keys
    assert keys.session == (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",)


def test_entitlement_keys_are_read_with_their_kid() -> None:
    secret = "shared with the issuer, 32 bytes."
    more = f'[[keys.entitlement]]\nkid = "a"\nsecret = "{secret}"\n'
    more += '[[keys.entitlement]]\njwks_url = "https://id.example/jwks.json"\n'
    keys = read(EXAMPLE.replace("[keys]", '[keys]\naudience = "video"') + more).keys
    assert keys.entitlements == (VerificationKey("HS256", "a", secret.encode()),)
    assert keys.jwks_urls == ("https://id.example/jwks.json",)
    assert keys.audience == "video"


def test_a_config_that_is_printed_shows_no_secret() -> None:
    shown = repr(read(EXAMPLE))
    assert "ABCDEFGH" not in shown
    assert "0123456789abcdef" not in shown


def test_a_file_that_is_no_config_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "region.toml"
    file.write_bytes(b"#" * 300_000)
    with pytest.raises(ConfigError, match="more than a config ever needs"):
        load(file)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.toml")

"""Each mistake that a person can make is told with its line, its key and what to do."""

import json
from pathlib import Path

import pytest

from georeg.config import ConfigError, parse
from tests.config.example import CLUSTER_KEY, EXAMPLE, SESSION_KEY, mistakes_of, with_line

KEY = {"kty": "oct", "kid": "a", "k": CLUSTER_KEY}
WEAK = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE"  # 32 times the same byte

# What is replaced by what, then the key and part of the message and remedy that are expected.
# The line that is told must hold the last part of the key.
CHANGES = [
    ('region = "us"', 'regoin = "us"', "regoin", "not a known key", "did you mean region?"),
    ("number = 1", "number = true", "number", "is true or false", "1 to 255"),
    ("number = 1", "number = 256", "number", "not between 1 and 255", "never changed"),
    ('"demo"', '"Demo!"', "cluster", '"Demo!" is not allowed', "a-z"),
    ("port = 7401", 'port = "7401"', "edge.port", "is a text, expected a whole number", "1 to 655"),
    ("port = 7501", "port = 7401", "mesh.port", "port of the edge as well", "of its own"),
    ("port = 7501", "port = 7502", "peer[0].url", "own mesh listens", "that region's mesh"),
    ('host = "127.0.0.1"\nport = 7401', 'host = "0.0.0.0"\nport = 7401\ndev = true', "edge.dev",
     "0.0.0.0 is not loopback", 'listen on host = "127.0.0.1"'),
    ('port = 7401', 'port = 7401\ncors_origins = ["tv.example"]', "edge.cors_origins",
     '"tv.example" is not allowed', "https://tv.example"),
    ('port = 7401', 'port = 7401\ncors_origins = ["*", "https://a.example"]', "edge.cors_origins",
     "stands beside others", "alone"),
    ('port = 7501', 'port = 7501\ntls_cert_file = "nowhere.pem"', "mesh.tls_cert_file",
     "there is no file", "relative to this file"),
    ("port = 7501", "port = 7501\nprotocol_max = 99", "mesh.protocol_max", "not between 1 and",
     "or leave it out"),
    ('name = "eu"\nnumber = 2', 'name = "us"\nnumber = 1', "peer[0]", "is this region itself",
     "remove this [[peer]]"),
    ('name = "ap"', 'name = "eu"', "peer[1].name", "peer[0]'s name as well", "own name"),
    ("number = 3", "number = 2", "peer[1].number", "peer[0]'s number as well", "corrupt"),
    ("number = 3", "number = 1", "peer[1].number", "this region's number as well", "corrupt"),
    ("127.0.0.1:7503", "127.0.0.1:7502", "peer[1].url", "address as well", "own mesh"),
    ("ws://127.0.0.1:7503", "http://127.0.0.1:7503", "peer[1].url", "not the address", "ws://"),
    ("ws://127.0.0.1:7503", "ws://127.0.0.1:99999", "peer[1].url", "not the address", "ws://"),
    ("port = 7401", 'port = 7401\npublic_url = "us.example"', "edge.public_url",
     "not the address of an edge", "https://eu.video.example"),
    ("port = 7401", 'port = 7401\npublic_url = "https://us.example/?a=1"', "edge.public_url",
     "not the address of an edge", "leave it out"),
    ("number = 2", 'number = 2\nedge_url = "ws://eu.example"', "peer[0].edge_url",
     "not the address of an edge", "https://eu.video.example"),
    ("number = 3", 'number = 3\nedge_url = "https://eu.example:99999"', "peer[1].edge_url",
     "not the address of an edge", "https://eu.video.example"),
    ("heartbeat_s = 10", "heartbeat_s = 0", "settings.heartbeat_s", "not between", "seconds"),
    ("heartbeat_s = 10", "heartbeat_s = nan", "settings.heartbeat_s", "not between", "seconds"),
    ("heartbeat_s = 10", "heartbeat_ms = 10", "settings.heartbeat_ms", "not a known key",
     "did you mean heartbeat_s?"),
    ("heartbeat_s = 10", "client_lease_s = 50", "settings.client_lease_s",
     "less than two heartbeats of 30 s", "better 90"),
    ("heartbeat_s = 10", "suspect_s = 95", "settings.suspect_s", "not between the", "leave it"),
    ("heartbeat_s = 10", "fresh_s = 1", "settings.fresh_s", "less than two beacons", "at least 2"),
    ("heartbeat_s = 10", "region_down_s = 4", "settings.region_down_s", "do not rise", "rising"),
    ("heartbeat_s = 10", "grant_lease_s = 1", "settings.grant_lease_s", "two beacons", "at least"),
    ("heartbeat_s = 10", "ends_memory_s = 60", "settings.ends_memory_s", "forgotten", "at least"),
    ("heartbeat_s = 10", "default_limit = 1.5", "settings.default_limit", "not whole", "whole"),
    ("limit = 1", "limit = 0", "plans.basic.limit", "not between 1 and 64", "at once"),
    ("limit = 1", 'limit = 1\non_limit = "kill"', "plans.basic.on_limit", "none of refuse, end_ol",
     "oldest session ends"),
    ("limit = 1", 'limit = 1\nexcess = 3', "plans.basic.excess", "a whole number", "may finish"),
    (CLUSTER_KEY, "c2hvcnQ", "keys.cluster[0].secret", "has 5 bytes", "georeg keygen cluster"),
    (CLUSTER_KEY, "not base64!", "keys.cluster[0].secret", "not base64url", "keygen cluster"),
    (SESSION_KEY, WEAK, "keys.session[0].secret", "is weak", "georeg keygen session"),
    (f'secret = "{SESSION_KEY}"', 'secret_env = "GEOREG_SESSION"', "keys.session[0].secret_env",
     "the environment has no GEOREG_SESSION", "set it where"),
    (f'secret = "{SESSION_KEY}"', 'secret_file = "nowhere"', "keys.session[0].secret_file",
     "No such file", "relative to this file"),
    ('hash = "01', 'hash = "xx', "keys.backend[0].hash", "not the hash", "georeg keygen backend"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "message", "remedy"), CHANGES, ids=[f"{c[2]}-{c[3]}" for c in CHANGES]
)
def test_a_mistake_is_told_with_its_line_key_and_remedy(
    old: str, new: str, key: str, message: str, remedy: str
) -> None:
    assert old in EXAMPLE
    text = EXAMPLE.replace(old, new, 1)
    about_key = [mistake for mistake in mistakes_of(text) if mistake.key == key]
    assert len(about_key) == 1, mistakes_of(text)
    assert message in about_key[0].message
    assert remedy in about_key[0].remedy
    leaf = key.rsplit(".", 1)[-1].split("[")[0]
    line = text.splitlines()[about_key[0].line - 1]
    assert leaf in line, f"line {about_key[0].line} is {line!r}"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('cluster = "demo"', "cluster"), ("number = 1", "number"),
        ('data_dir = "data"', "data_dir"), ("port = 7401", "edge.port"),
        ('url = "ws://127.0.0.1:7502"', "peer[0].url"),
        (f'secret = "{CLUSTER_KEY}"', "keys.cluster[0].secret"), ("limit = 1", "plans.basic.limit"),
    ],
)  # fmt: skip
def test_what_must_be_there_is_missed(line: str, key: str) -> None:
    found = mistakes_of(EXAMPLE.replace(line, "", 1))
    assert [(mistake.key, mistake.message) for mistake in found] == [(key, "is missing")]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = EXAMPLE.replace("number = 1", "number = 0").replace("7401", "0").replace("= 10", "= -1")
    found = mistakes_of(text)
    assert [mistake.key for mistake in found] == ["number", "edge.port", "settings.heartbeat_s"]
    assert [mistake.line for mistake in found] == [3, 8, 25]


def test_a_secret_that_is_wrong_is_never_repeated() -> None:
    for secret in ("c2hvcnQ", WEAK, "password with spaces"):
        text = EXAMPLE.replace(CLUSTER_KEY, secret)
        assert secret not in repr(mistakes_of(text))


def test_a_secret_given_in_two_ways_is_refused() -> None:
    text = with_line('secret_env = "X"', after=f'secret = "{SESSION_KEY}"')
    (mistake,) = mistakes_of(text, X=CLUSTER_KEY)
    assert "more than once" in mistake.message


def test_a_key_that_is_there_twice_is_refused() -> None:
    again = f'[[keys.session]]\nsecret = "{SESSION_KEY}"\n'
    (mistake,) = mistakes_of(EXAMPLE + again)
    assert (mistake.key, mistake.line) == ("keys.session[1].secret", EXAMPLE.count("\n") + 2)


def test_without_keys_for_callers_only_dev_is_allowed() -> None:
    without = EXAMPLE.split("[[keys.backend]]")[0]
    (mistake,) = mistakes_of(without)
    assert "nobody could start a session" in mistake.message
    assert mistakes_of(without.replace("port = 7401", "port = 7401\ndev = true")) == []


@pytest.mark.parametrize(
    ("lines", "key", "message"),
    [
        ('secret = "' + "s" * 31 + '"', ".secret", "needs 32 bytes or more, not 31"),
        ('public_pem = "-----BEGIN PRIVATE KEY-----"', ".public_pem", "private key"),
        ('public_pem = "abc"', ".public_pem", "not a public key"),
        ('jwks_url = "http://id.example/jwks"', ".jwks_url", "needs https"),
        ('jwks = "[]"', ".jwks", "not a JWK set"),
        ('jwks_file = "nowhere.json"', ".jwks_file", "No such file"),
        ('kid = "a"', "", "gives no key"),
        ('jwks = "{}"\nsecret = "abc"', "", "gives secret and jwks"),
    ],
)
def test_a_wrong_entitlement_key_is_refused(lines: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(EXAMPLE + f"[[keys.entitlement]]\n{lines}\n")
    assert mistake.key == f"keys.entitlement[0]{key}"
    assert message in mistake.message


def test_a_backend_that_is_there_twice_is_refused() -> None:
    again = f'[[keys.backend]]\nname = "billing"\nhash = "{"0" * 64}"\n'
    (mistake,) = mistakes_of(EXAMPLE + again)
    assert (mistake.key, mistake.message) == ("keys.backend[1].name", '"billing" is there twice')


def test_a_jwks_file_is_read_where_the_config_file_is(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [KEY]}))
    text = EXAMPLE + '[[keys.entitlement]]\njwks_file = "keys.json"\n'
    assert mistakes_of(text, directory=tmp_path) == []


def test_a_syntax_error_is_told_with_its_line() -> None:
    (mistake,) = mistakes_of(EXAMPLE.replace('region = "us"', "region = us"))
    assert mistake.line == 2
    assert "needs quotes" in mistake.remedy or "need quotes" in mistake.remedy


def test_a_file_that_is_not_utf8_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(EXAMPLE.encode().replace(b'"us"', b'"\xff"'), Path("region.toml"), {})
    assert caught.value.mistakes[0].line == 2


def test_a_number_where_tables_belong_is_refused() -> None:
    text = EXAMPLE.replace("number = 1", "number = 1\nsettings = 3")
    text = text.replace("[settings]", "[extra]")
    assert ("settings", 4) in [(mistake.key, mistake.line) for mistake in mistakes_of(text)]

"""What a config says of the election of homes."""

from pathlib import Path

import pytest

from georeg.config import HomeConfig
from georeg.region.settings import ElectionKind, Settings
from tests.config.example import EXAMPLE, mistakes_of, read

FENCED = '\n[home]\nelection = "fenced"\nlock_url = "redis://locks.example"\n'


def test_homes_are_static_where_nothing_is_said() -> None:
    config = read(EXAMPLE)
    assert config.home == HomeConfig()
    assert config.settings.election is ElectionKind.STATIC


def test_best_effort_needs_nothing_else() -> None:
    config = read(EXAMPLE + '\n[home]\nelection = "best-effort"\n')
    assert config.settings.election is ElectionKind.BEST_EFFORT
    assert config.home.locks is None


def test_fenced_says_where_the_locks_are(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    more = 'lock_password_file = "password"\nlock_ttl_s = 7.5\n'
    config = read(EXAMPLE + FENCED + more, directory=tmp_path)
    assert config.settings.election is ElectionKind.FENCED
    assert config.settings.lock_ttl_ms == 7_500
    assert config.home.locks is not None
    assert str(config.home.locks) == "locks.example:6379"
    assert config.home.locks.password == "secret"
    assert "secret" not in repr(config)


def test_the_usual_time_of_a_lock_is_that_of_the_settings() -> None:
    assert read(EXAMPLE + FENCED).settings.lock_ttl_ms == Settings().lock_ttl_ms


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ('\n[home]\nelection = "raft"\n', "home.election", "none of static, best-effort, fenced"),
        ('\n[home]\nelection = "fenced"\n', "home.lock_url", "missing"),
        (FENCED.replace("redis:", "http:"), "home.lock_url", "no address of Redis"),
        (FENCED + "lock_ttl_s = 3\n", "home.lock_ttl_s", "less than four beacons"),
        (FENCED + "lock_ttl_s = 900\n", "home.lock_ttl_s", "not between"),
        (FENCED + "lock_tls = 3\n", "home.lock_tls", "not a known key"),
        (FENCED.replace("fenced", "static"), "home.lock_url", "is for a fenced election"),
    ],
)
def test_each_mistake_is_told_at_its_key(text: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(EXAMPLE + text)
    assert mistake.key == key
    assert message in mistake.message


def test_an_older_protocol_has_static_homes_only() -> None:
    text = EXAMPLE.replace("[mesh]\n", "[mesh]\nprotocol_max = 1\n")
    (mistake,) = mistakes_of(text + '\n[home]\nelection = "best-effort"\n')
    assert mistake.key == "mesh.protocol_max"
    assert read(text).settings.election is ElectionKind.STATIC


def test_a_region_of_many_nodes_has_static_homes_only() -> None:
    store = '\n[store]\nurl = "redis://10.0.1.9"\nhost = "127.0.0.1"\n'
    found = mistakes_of(EXAMPLE + '\n[home]\nelection = "best-effort"\n' + store)
    assert [mistake.key for mistake in found] == ["home.election"]

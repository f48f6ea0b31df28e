"""What a config says of operators: where they call, who they are, and what cannot be."""

from pathlib import Path

import pytest

from georeg.config import OpsConfig
from georeg.ops.keys import May, OperatorKey
from tests.config.example import EXAMPLE, mistakes_of, read

HASH = "01" * 32
KEY = f'\n[[keys.operator]]\nname = "ann"\nhash = "{HASH}"\nmay = "operate"\n'
OPS = "\n[ops]\nport = 7601\n"


def test_without_ops_nothing_listens_for_operators() -> None:
    assert read(EXAMPLE).ops is None


def test_loopback_and_standard_error_are_the_defaults(tmp_path: Path) -> None:
    config = read(EXAMPLE + OPS + KEY, directory=tmp_path)
    assert config.ops == OpsConfig("127.0.0.1", 7601, None, None)
    assert config.keys.operators == (OperatorKey("ann", HASH, May.OPERATE),)
    files = 'audit_file = "audit.jsonl"\nkey_file = "ann.key"\n'
    config = read(EXAMPLE + OPS + files + KEY, directory=tmp_path)
    assert config.ops is not None
    assert config.ops.audit_file == tmp_path / "audit.jsonl"
    assert config.ops.key_file == tmp_path / "ann.key"


def test_an_operator_who_may_only_read_need_not_say_so() -> None:
    config = read(EXAMPLE + OPS + KEY.replace('may = "operate"\n', ""))
    assert config.keys.operators[0].may is May.READ


def test_a_config_does_not_give_the_hashes_of_operators_away() -> None:
    assert HASH not in repr(read(EXAMPLE + OPS + KEY))


def test_a_peer_says_where_its_operators_call() -> None:
    url = 'url = "ws://127.0.0.1:7502"\n'
    text = EXAMPLE.replace(url, url + 'ops_url = "http://10.0.2.1:7601/"\n')
    assert [peer.ops_url for peer in read(text).peers] == ["http://10.0.2.1:7601", ""]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (OPS, "ops", "nobody could call it"),
        (OPS.replace("7601", "7401") + KEY, "ops.port", "port of the edge"),
        (OPS.replace("7601", "7501") + KEY, "ops.port", "port of the mesh"),
        (OPS + 'host = "0.0.0.0"\n' + KEY, "ops.host", "audit log has no file"),
        (OPS + "prot = 1\n" + KEY, "ops.prot", "not a known key"),
        (OPS + KEY + KEY, "keys.operator[1].name", "there twice"),
        (OPS + KEY.replace("operate", "rule"), "keys.operator[0].may", "none of read, operate"),
        (OPS + KEY.replace(HASH, "abc"), "keys.operator[0].hash", "not the hash"),
    ],
)
def test_each_mistake_is_told_at_its_key(text: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(EXAMPLE + text)
    assert mistake.key == key
    assert message in mistake.message


@pytest.mark.parametrize("url", ["10.0.2.1:7601", "ws://eu", "http://eu/ops", "http://eu?x=1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    text = EXAMPLE.replace(
        'url = "ws://127.0.0.1:7502"\n', f'url = "ws://127.0.0.1:7502"\nops_url = "{url}"\n'
    )
    (mistake,) = mistakes_of(text)
    assert mistake.key == "peer[0].ops_url"

"""Which region is asked, with which key: flags before files before the environment."""

import argparse
from pathlib import Path

import pytest

from georeg.cli.main import make_parser
from georeg.cli.ops.client import OpsError
from georeg.cli.ops.options import Target, target_of
from tests.config.example import EXAMPLE

OPS = f"""
[ops]
port = 7601
key_file = "ann.key"

[[keys.operator]]
name = "ann"
hash = "{"01" * 32}"
may = "operate"
"""


def options(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(["status", *arguments])


def target(*arguments: str, **environment: str) -> Target:
    return target_of(options(*arguments), environment)


def test_flags_say_where_and_with_what() -> None:
    found = target("--to", "http://10.0.0.1:7601/", "--to", "eu:7601", "--key", "ann.x")
    assert found == Target(("http://10.0.0.1:7601", "http://eu:7601"), "ann.x", 5.0)


def test_the_environment_says_it_where_no_flag_does(tmp_path: Path) -> None:
    found = target(GEOREG_OPS="http://us:1, http://eu:2", GEOREG_KEY="ann.x")
    assert found[:2] == (("http://us:1", "http://eu:2"), "ann.x")
    (tmp_path / "key").write_text("bob.y\n")
    found = target("--key-file", str(tmp_path / "key"), GEOREG_OPS="us:1", GEOREG_KEY="ann.x")
    assert found.key == "bob.y"


def test_a_regions_config_says_the_address_and_the_file_of_the_key(tmp_path: Path) -> None:
    file = tmp_path / "region.toml"
    file.write_text(EXAMPLE + OPS)
    (tmp_path / "ann.key").write_text("ann.x\n")
    assert target("--config", str(file))[:2] == (("http://127.0.0.1:7601",), "ann.x")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "which region?"),
        (("--to", "us:1"), "with which key?"),
        (("--to", "ftp://us", "--key", "k"), "is no address"),
        (("--to", "http://us:99999", "--key", "k"), "is no address"),
        (("--to", "us:1", "--key-file", "nowhere.key"), "cannot be read"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_what_is_missing_is_said_with_how_to_give_it(arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(OpsError, match=why.replace("?", r"\?")) as error:
        target(*arguments)
    assert error.value.code == 2


def test_a_config_without_ops_says_so(tmp_path: Path) -> None:
    file = tmp_path / "region.toml"
    file.write_text(EXAMPLE)
    with pytest.raises(OpsError, match=r"has no \[ops\]"):
        target("--config", str(file))

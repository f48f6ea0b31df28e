"""`georeg check-config` and `georeg keygen` as a person and a program meet them."""

import json
from pathlib import Path

import pytest

from georeg.cli.main import main
from georeg.edge.backends import BackendKeys
from georeg.ops.keys import May, Operator, OperatorKeys
from tests.config.example import EXAMPLE, read


def written(directory: Path, text: str) -> str:
    file = directory / "region.toml"
    file.write_text(text)
    return str(file)


def test_a_file_without_mistakes_exits_0_and_says_what_it_would_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", written(tmp_path, EXAMPLE)]) == 0
    printed = capsys.readouterr().out
    assert "no mistakes" in printed
    assert "region us (1) of cluster demo" in printed
    assert "eu (2), ap (3)" in printed
    assert "    ops" not in printed


def test_a_file_with_operators_says_where_they_call_and_who_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = f'[[keys.operator]]\nname = "ann"\nhash = "{"01" * 32}"\nmay = "operate"\n'
    assert main(["check-config", written(tmp_path, EXAMPLE + "[ops]\n" + key)]) == 0
    assert "    ops 127.0.0.1:7601, operators: ann (operate)\n" in capsys.readouterr().out


def test_mistakes_exit_1_and_are_printed_with_line_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, EXAMPLE.replace("port = 7401", "prot = 7401"))
    assert main(["check-config", file]) == 1
    printed = capsys.readouterr().out
    assert f"{file}:8: edge.prot: is not a known key\n    did you mean port?" in printed
    assert f"{file}:6: edge.port: is missing" in printed
    assert "2 mistakes" in printed


def test_a_file_that_cannot_be_read_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(tmp_path / "nowhere.toml")]) == 2
    assert "No such file" in capsys.readouterr().out
    assert main(["check-config", str(tmp_path)]) == 2


def test_json_tells_the_same_to_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, EXAMPLE.replace("number = 1", "number = 0"))
    assert main(["check-config", "--json", file]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (mistake,) = told["mistakes"]
    assert (mistake["line"], mistake["key"]) == (3, "number")
    assert main(["check-config", "--json", written(tmp_path, EXAMPLE)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_serve_refuses_a_file_with_mistakes_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, EXAMPLE.replace("number = 1", "number = 0"))
    assert main(["serve", "--config", file]) == 2
    assert "number: 0 is not between 1 and 255" in capsys.readouterr().err


def test_the_keys_of_keygen_all_make_a_config_complete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keygen", "all", "billing"]) == 0
    keys = capsys.readouterr().out
    config = read(EXAMPLE.split("[keys]")[0] + keys)
    assert len(config.keys.cluster[0]) == 32
    assert config.keys.session[0] != config.keys.cluster[0]


def test_a_backends_key_fits_the_hash_that_the_config_stores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keygen", "backend", "billing"]) == 0
    printed = capsys.readouterr().out
    key = printed.split("Bearer ")[1].split("\n")[0]
    config = read(EXAMPLE.split("[[keys.backend]]")[0] + printed)
    assert BackendKeys(config.keys.backends).verify(key) == "billing"


@pytest.mark.parametrize(("flags", "may"), [((), May.READ), (("--operate",), May.OPERATE)])
def test_an_operators_key_fits_the_hash_and_may_only_read_unless_told(
    flags: tuple[str, ...], may: May, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", "operator", "ann", *flags]) == 0
    printed = capsys.readouterr().out
    key = printed.split("The key itself: ")[1].split("\n")[0]
    config = read(EXAMPLE + "[ops]\n" + printed)
    assert OperatorKeys(config.keys.operators).verify(key) == Operator("ann", may)


def test_a_backends_name_that_could_not_be_sent_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keygen", "backend", "a.b"]) == 2
    assert "name" in capsys.readouterr().err


@pytest.mark.parametrize("command",
    [
        "", "serve", "demo", "check-config", "keygen", "status", "peers", "quota", "kick", "plan",
        "keys", "drain", "undrain", "check",
    ],
)  # fmt: skip
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*([command] if command else []), "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "usage: georeg" in out
    assert f"  georeg {command}" in out or command in ("check-config", "keygen", "serve", "")

"""The image, as far as it can be judged where no container engine is: by hadolint, and by whether
what the Dockerfile copies, runs and asks is there.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.infra.composed import COMPOSE
from tests.tools import ROOT

DOCKERFILE = ROOT / "infra" / "Dockerfile"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def only(name: str) -> str:
    """The arguments of an instruction that is there once."""
    (found,) = (rest for each, rest in instructions() if each == name)
    return found


@pytest.mark.skipif(HADOLINT is None, reason="hadolint has no wheel for this machine")
def test_hadolint_finds_nothing() -> None:
    assert HADOLINT is not None
    done = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_that_is_copied_is_there_and_let_through_by_the_ignore_file() -> None:
    ignored = (ROOT / "infra" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = {
        source.rstrip("/").partition("/")[0]
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert "*" in ignored, "nothing else, so no key gets into an image"
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_what_is_installed_is_what_the_lock_has_and_every_package_of_the_project() -> None:
    runs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert "--require-hashes" in runs[0]
    assert runs[0].endswith("-r requirements/run.txt")
    assert "--no-deps" in runs[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY"]
    assert {package.rstrip("*") for package in packages} <= set(copied)
    assert "georeg" in project["project"]["scripts"]
    assert only("ENTRYPOINT") == '["georeg"]'


def test_it_runs_as_nobody_special_and_is_stopped_by_the_signal_that_drains() -> None:
    assert only("USER") == "10001:10001"
    last_from = max(at for at, (name, _) in enumerate(instructions()) if name == "FROM")
    assert instructions().index(("USER", only("USER"))) > last_from
    assert only("STOPSIGNAL") == "SIGTERM"


def test_its_health_is_readiness_and_its_command_finds_the_configs_of_compose() -> None:
    port = tomllib.loads((COMPOSE / "georeg" / "us.toml").read_text())["edge"]["port"]
    assert f"http://127.0.0.1:{port}/readyz" in only("HEALTHCHECK")
    assert only("CMD") == '["serve", "--config", "/etc/georeg/config/region.toml"]'
    python = re.search(r'"-c", "(.*)"\]', only("HEALTHCHECK"))
    assert python is not None
    compile(python[1], "healthcheck", "exec")

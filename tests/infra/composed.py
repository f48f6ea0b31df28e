"""The compose file as tests read it, and played without Docker: its commands, its files, each
container on a loopback address of its own.

What is real: georeg, redis-server, Toxiproxy, the configs, the command lines. What is not: images,
networks between containers, mounts; a container's name is put in by its address.
"""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.processes import call, eventually
from tests.infra.files import read_yaml
from tests.tools import ROOT, tool

COMPOSE = ROOT / "infra" / "compose"
REGIONS = {"us": 1, "eu": 2, "ap": 3}
_MOUNTED = re.compile(r"(?P<source>[^:]+):(?P<target>[^:]+):ro")
END_S = 20.0


def services() -> dict[str, Any]:
    """The services by name, anchors resolved."""
    found: dict[str, Any] = read_yaml("compose", "compose.yaml")["services"]
    return found


def is_node(service: Mapping[str, Any]) -> bool:
    return bool(service["image"] == "georeg")


def files(service: Mapping[str, Any]) -> dict[str, Path]:
    """Path in the container -> the file or folder here that is mounted there."""
    found = (_MOUNTED.fullmatch(volume) for volume in service.get("volumes", ()))
    return {each["target"]: (COMPOSE / each["source"]).resolve() for each in found if each}


def config_file(name: str) -> Path:
    """The config of a node."""
    return files(services()[name])["/etc/georeg/config/region.toml"]


def make_keys(directory: Path) -> None:
    """What is said in infra/README.md."""
    command = f"{sys.executable} -m georeg.cli.main"
    subprocess.run(
        [ROOT / "infra" / "make-keys", directory],
        cwd=ROOT, env={"GEOREG": command, "PATH": os.environ["PATH"]}, check=True,
    )  # fmt: skip


class Stage:
    """All of the compose file but its watchers, from `with` on ready. Ends what it started."""

    def __init__(self, directory: Path, keys: Path) -> None:
        self._directory = directory
        self._keys = keys
        net = f"127.{secrets.randbelow(200) + 20}"
        self._addresses = {"toxiproxy": f"{net}.0.1"}
        for region, number in REGIONS.items():
            self._addresses |= {f"{region}-{node}": f"{net}.{number}.{node}" for node in (1, 2)}
            self._addresses[f"{region}-redis"] = f"{net}.{number}.9"
            self._addresses[f"{region}-mesh"] = f"{net}.{number}.1"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Stage":
        try:
            for name, service in services().items():
                if name.endswith("-redis"):
                    self._start_redis(name, service)
            self._start_toxiproxy()
            for name, service in services().items():
                if is_node(service):
                    self._start_node(name, service)
            for name in (name for name, service in services().items() if is_node(service)):
                eventually(lambda name=name: self._is_ready(name), f"{name} is ready")  # type: ignore[misc]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(END_S)

    def edge(self, name: str) -> str:
        return f"http://{self._addresses[name]}:7401"

    def ops(self, name: str) -> str:
        return f"http://{self._addresses[name]}:7601"

    @property
    def toxiproxy(self) -> str:
        return f"http://{self._addresses['toxiproxy']}:8474"

    def key(self, name: str) -> str:
        """A key of those who call."""
        return (self._keys / "people" / name).read_text().strip()

    def output(self, name: str) -> str:
        return (self._directory / name / "output.txt").read_text()

    def ask_redis(self, name: str, *command: str, password: bool = True) -> str:
        """What a Redis answers."""
        program = tool("redis-cli")
        assert program is not None, "it comes with redis-server"
        secret = (self._keys / "nodes" / "redis-password").read_text().strip()
        done = subprocess.run(
            [program, "-h", self._addresses[name], *command], capture_output=True, check=False,
            env={"REDISCLI_AUTH": secret} if password else {},
        )  # fmt: skip
        return done.stdout.decode().strip()

    def start(self, node: str, account: str, device: str, plan: str = "basic") -> tuple[int, Any]:
        """Start a stream, as a backend."""
        body = {"device": {"id": device, "name": device, "kind": "tv"}, "plan": plan}
        url = f"{self.edge(node)}/v1/accounts/{account}/sessions"
        return call("POST", url, body, token=self.key("backend"))

    def _is_ready(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.output(name)
        return call("GET", f"{self.edge(name)}/readyz")[0] == 200

    def _placed(self, text: str, own: str) -> str:
        """Names of containers by their addresses; `own`: of the one that reads this."""
        text = text.replace("0.0.0.0", self._addresses[own])  # noqa: S104
        for name, address in self._addresses.items():
            text = re.sub(rf"(?<=[/\"]){name}(?=[:\"])", address, text)
        return text

    def _run(self, name: str, arguments: list[str], **environment: str) -> None:
        directory = self._directory / name
        with (directory / "output.txt").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                arguments, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], **environment},
            )  # fmt: skip

    def _start_node(self, name: str, service: Mapping[str, Any]) -> None:
        config = self._directory / name / "config"
        config.mkdir(parents=True)
        (config.parent / "keys").symlink_to(self._keys / "nodes")
        text = config_file(name).read_text(encoding="utf-8")
        (config / "region.toml").write_text(self._placed(text, name))
        host = self._addresses[service["environment"]["NODE_HOST"]]
        arguments = ["-m", "georeg.cli.main", "serve", "--config", f"{config / 'region.toml'}"]
        self._run(name, [sys.executable, *arguments], NODE_HOST=host)

    def _start_redis(self, name: str, service: Mapping[str, Any]) -> None:
        (self._directory / name).mkdir()
        conf = self._directory / name / "redis.conf"
        text = files(service)["/etc/georeg/redis.conf"].read_text(encoding="utf-8")
        text = text.replace("bind * -::*", f"bind {self._addresses[name]}")
        conf.write_text(text.replace("dir /data", f"dir {conf.parent}"))
        command = [self._mounted(part, conf).replace("$$", "$") for part in service["command"]]
        self._run(name, command)
        eventually(lambda: self.ask_redis(name, "PING") == "PONG", f"{name} is healthy")

    def _start_toxiproxy(self) -> None:
        program = tool("toxiproxy-server")
        assert program is not None, "tests that need it are skipped where it is missing"
        (self._directory / "toxiproxy").mkdir()
        config = self._directory / "toxiproxy" / "toxiproxy.json"
        text = (COMPOSE / "toxiproxy.json").read_text(encoding="utf-8")
        config.write_text(self._placed(text, "toxiproxy"))
        arguments = services()["toxiproxy"]["command"]
        placed = [self._placed(part, "toxiproxy") for part in arguments]
        placed = [part.replace("/etc/toxiproxy.json", str(config)) for part in placed]
        self._run("toxiproxy", [program, *placed])

    def _mounted(self, text: str, conf: Path) -> str:
        text = text.replace("/etc/georeg/redis.conf", str(conf))
        return text.replace("/etc/georeg/keys", str(self._keys / "nodes"))

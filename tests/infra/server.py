"""A Prometheus server of its own for tests, with the project's config at a faster pace."""

import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from tests.cli.processes import call, eventually
from tests.infra.files import RULES, read_yaml
from tests.tools import tool

END_S = 10.0


class Prometheus:
    """One process; its data is gone with the directory."""

    def __init__(self, directory: Path, targets: dict[str, str], port: int) -> None:
        """`targets`: host and port by region, in place of the demo's."""
        self._url = f"http://127.0.0.1:{port}"
        config = read_yaml("prometheus", "prometheus.yaml")
        config["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), "1s")
        config["rule_files"] = [str(RULES)]
        (job,) = config["scrape_configs"]
        job["static_configs"] = [
            {"targets": [target], "labels": {"region": name}} for name, target in targets.items()
        ]
        file = directory / "prometheus.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        self._output = directory / "output.txt"
        program = tool("prometheus")
        assert program is not None
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [program, f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
                + [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        try:
            eventually(self._is_ready, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(END_S)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._output.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):
                return True
        except OSError:  # nobody there yet, or 503
            return False

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; fails with what Prometheus says when it refuses."""
        query = urllib.parse.urlencode(parameters)
        status, answer = call("GET", f"{self._url}/api/v1/{path}?{query}")
        assert status == 200, f"{parameters}: {answer}"
        return answer["data"]

    def values(self, expr: str) -> list[float]:
        """What the expression has now, without what is not a number. Fails if it does not parse."""
        result = self.get("query", query=expr)["result"]
        numbers = [float(sample["value"][1]) for sample in result]
        return [number for number in numbers if number == number]

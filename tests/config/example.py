"""A config file without a mistake, for tests that put one in."""

from pathlib import Path

from georeg.config import Config, Mistake, parse
from georeg.config.mistakes import ConfigError

HERE = Path()
CLUSTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY"
SESSION_KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU"

EXAMPLE = f"""\
cluster = "demo"
region = "us"
number = 1
data_dir = "data"

[edge]
host = "127.0.0.1"
port = 7401

[mesh]
host = "127.0.0.1"
port = 7501

[[peer]]
name = "eu"
number = 2
url = "ws://127.0.0.1:7502"

[[peer]]
name = "ap"
number = 3
url = "ws://127.0.0.1:7503"

[settings]
heartbeat_s = 10

[plans.basic]
limit = 1

[keys]

[[keys.cluster]]
secret = "{CLUSTER_KEY}"

[[keys.session]]
secret = "{SESSION_KEY}"

[[keys.backend]]
name = "billing"
hash = "{"0123456789abcdef" * 4}"
"""


def read(text: str, *, directory: Path = HERE, **environment: str) -> Config:
    """The config of a text, as if it were a file in the directory."""
    return parse(text.encode(), directory / "region.toml", environment)


def mistakes_of(text: str, *, directory: Path = HERE, **environment: str) -> list[Mistake]:
    """What is wrong in a text."""
    try:
        read(text, directory=directory, **environment)
    except ConfigError as error:
        return error.mistakes
    return []


def with_line(line: str, *, after: str) -> str:
    """The example with one more line behind the first one that begins so."""
    assert after in EXAMPLE
    head, tail = EXAMPLE.split(after, 1)
    rest, newline, tail = tail.partition("\n")
    return f"{head}{after}{rest}{newline}{line}\n{tail}"

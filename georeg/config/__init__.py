"""The config file of a region: what it may say, and what is wrong in it.

`load(path)` gives a checked `Config` or raises `ConfigError` with every mistake, its line and what
to do about it.
"""

from georeg.config.load import load, parse
from georeg.config.mistakes import ConfigError, Mistake, describe
from georeg.config.model import (
    Config,
    EdgeConfig,
    HomeConfig,
    Keys,
    LogLevel,
    MeshConfig,
    OpsConfig,
    PeerConfig,
    StoreConfig,
    TlsFiles,
)

__all__ = [
    "Config",
    "ConfigError",
    "EdgeConfig",
    "HomeConfig",
    "Keys",
    "LogLevel",
    "MeshConfig",
    "Mistake",
    "OpsConfig",
    "PeerConfig",
    "StoreConfig",
    "TlsFiles",
    "describe",
    "load",
    "parse",
]

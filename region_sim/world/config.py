"""The config files of a scenario's regions, as an operator would write them."""

import tomllib
from typing import Final

from georeg.config import Config, ConfigError
from georeg.config.lines import key_lines
from georeg.config.load import parse
from georeg.config.mistakes import Findings
from georeg.config.reader import Table
from georeg.config.settings import read_settings
from georeg.region.settings import ElectionKind, Settings
from region_sim.plan.errors import PlanError
from region_sim.plan.scenario import Scenario
from region_sim.world.ground import EDGE_PORT, MESH_PORT, Ground

LIMITS: Final = {"basic": 1, "standard": 2, "premium": 4}


def settings_text(scenario: Scenario) -> str:
    """[settings] and [plans] as an operator would write them."""
    plans = "".join(
        f'[plans.{name}]\nlimit = {limit}\non_limit = "{scenario.on_limit}"\n'
        f'excess = "{scenario.excess}"\nclones = "{scenario.clones}"\n'
        for name, limit in LIMITS.items()
    )
    settings = "".join(f"{key} = {value!r}\n" for key, value in sorted(scenario.settings.items()))
    return f"[settings]\n{settings}{plans}"


def settings_of(scenario: Scenario) -> Settings:
    """The settings that the regions of a scenario have. Raises PlanError."""
    text = settings_text(scenario)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"settings: {error}") from None
    findings = Findings(key_lines(text))
    settings = read_settings(
        Table(values["settings"], ("settings",), findings),
        Table(values["plans"], ("plans",), findings),
    )
    if findings.mistakes:
        raise PlanError("settings: " + "; ".join(map(str, sorted(findings.mistakes))))
    return settings


def config_text(ground: Ground, members: tuple[str, ...], node: str = "") -> str:
    """The config file that an operator would write for this region of a cluster of these; `node`:
    for this one of its nodes."""
    secrets, host = ground.secrets, node or ground.name
    peers = "".join(
        f'[[peer]]\nname = "{name}"\nnumber = {number}\nurl = "ws://{name}:{MESH_PORT}"\n'
        f'edge_url = "http://{name}:{EDGE_PORT}"\n'
        for number, name in enumerate(ground.regions, start=1)
        if name != ground.name and name in members
    )
    former = "".join(
        f"{name} = {number}\n"
        for number, name in enumerate(ground.regions, start=1)
        if name != ground.name and name not in members
    )
    return (
        f'cluster = "simulated"\nregion = "{ground.name}"\nnumber = {ground.number}\n'
        f'data_dir = "data"\n[edge]\nhost = "{host}"\nport = {EDGE_PORT}\n'
        f'[mesh]\nhost = "{host}"\nport = {MESH_PORT}\n'
        f"protocol_max = {ground.protocol_max}\n{peers}"
        f"{settings_text(ground.scenario)}{home_text(ground.scenario)}"
        f"{store_text(ground.scenario, node) if node else ''}"
        f"[former]\n{former}"
        f'[[keys.cluster]]\nsecret = "{secrets.cluster}"\n'
        f'[[keys.session]]\nsecret = "{secrets.session}"\n'
        f'[[keys.backend]]\nname = "sim"\nhash = "{secrets.backend_hash}"\n'
        f'[[keys.entitlement]]\nsecret = "{secrets.entitlement}"\n'
    )


def home_text(scenario: Scenario) -> str:
    """[home]; where its locks are is for the world to know."""
    url = 'lock_url = "redis://locks"\n' if scenario.election == ElectionKind.FENCED else ""
    return f'[home]\nelection = "{scenario.election}"\n{url}'


def store_text(scenario: Scenario, node: str) -> str:
    """[store]; where that is is for the world to know."""
    return (
        f'[store]\nurl = "redis://store"\nslices = {scenario.slices}\nnode = "{node}"\n'
        f'edge_url = "http://{node}:{EDGE_PORT}"\nmesh_url = "ws://{node}:{MESH_PORT}"\n'
    )


def read_config(ground: Ground, members: tuple[str, ...], node: str = "") -> Config:
    """That file, read as georeg reads it. Raises PlanError for settings that do not fit."""
    file = ground.directory / "region.toml"
    try:
        return parse(config_text(ground, members, node).encode(), file, {})
    except ConfigError as error:
        raise PlanError(f"the scenario's settings do not make a config: {error}") from None

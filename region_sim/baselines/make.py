"""Builds a baseline by its name, from parts or from the config of a georeg region."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from aiohttp import ClientSession

from georeg.config import Config
from georeg.edge.backends import BackendKeys
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.keysets import StaticKeys
from georeg.edge.tokens import KeyRing
from region_sim.baselines.central import Central
from region_sim.baselines.gossip import Gossip
from region_sim.baselines.independent import Independent
from region_sim.baselines.records import Clock
from region_sim.baselines.setup import Baseline, Disk, Setup

BASELINES: Final[Mapping[str, Callable[[Setup], Baseline]]] = {
    "central": Central,
    "independent": Independent,
    "gossip": Gossip,
}


def make(kind: str, setup: Setup) -> Baseline:
    """A process of one region. Call it on the loop that it shall run on."""
    return BASELINES[kind](setup)


def setup_from(
    config: Config,
    *,
    urls: Mapping[str, str],
    home: str,
    clock: Clock,
    random: Random,
    session: Callable[[], ClientSession],
    disk: Disk,
) -> Setup:
    """The setup that fits a georeg region's config: same name, address, keys and settings.

    `urls`: base URL of every region's edge, by name. `home`: where central keeps its store.
    """
    numbers = {config.name: config.number} | {peer.name: peer.number for peer in config.peers}
    return Setup(
        name=config.name,
        numbers=dict(sorted(numbers.items(), key=lambda item: item[1])),
        peers={peer.name: urls[peer.name] for peer in config.peers},
        host=config.edge.host,
        port=config.edge.port,
        home=home,
        settings=config.settings,
        keys=KeyRing(config.keys.session, cluster=config.cluster),
        clock=clock,
        random=random,
        session=session,
        entitlements=EntitlementVerifier(
            [StaticKeys(config.keys.entitlements)],
            audience=config.keys.audience,
            age_ms_max=config.settings.plan_memory_s * 1000,
        ),
        backends=BackendKeys(config.keys.backends),
        is_dev=config.edge.dev,
        disk=disk,
    )

"""What the parts of a region are made from, read off its config, at the start and at a reload."""

import ssl
from functools import partial

from crdt.dots import RegionId
from georeg.config import Config, TlsFiles
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.keysets import KeySource, RemoteKeys, StaticKeys
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing, key_id
from georeg.mesh import Peer
from georeg.ops.context import KeyInUse
from georeg.region.ports import Clock


class StartError(Exception):
    """The region cannot run here; the message says why and what to do."""


def names(config: Config) -> dict[RegionId, str]:
    """All regions of the cluster."""
    return {config.number: config.name} | {peer.number: peer.name for peer in config.peers}


def ops_urls(config: Config) -> dict[RegionId, str]:
    """Where the other regions' operators' APIs are, as far as the config says."""
    return {peer.number: peer.ops_url for peer in config.peers if peer.ops_url}


def places(config: Config) -> dict[RegionId, str]:
    """Where devices reach the other regions, as far as the config says."""
    return {peer.number: peer.edge_url for peer in config.peers if peer.edge_url}


def peers(config: Config) -> dict[RegionId, Peer]:
    """The other regions as the mesh knows them."""
    return {peer.number: Peer(peer.name, peer.url, peer.more_urls) for peer in config.peers}


def edge_settings(config: Config) -> EdgeSettings:
    """What of the edge may change while it runs."""
    return EdgeSettings(dev=config.edge.dev, cors_origins=config.edge.cors_origins)


def verified_by(config: Config) -> tuple[object, ...]:
    """What a verifier is made of: the same one goes on, with the keys that it has fetched."""
    keys = config.keys
    return keys.entitlements, keys.jwks_urls, keys.audience, config.settings.plan_memory_s


def verifier(config: Config, clock: Clock) -> EntitlementVerifier:
    """Whoever signs entitlements for this region."""
    keys = config.keys
    sources: list[KeySource] = [RemoteKeys(url, now_ms=clock.now_ms) for url in keys.jwks_urls]
    if keys.entitlements:
        sources.insert(0, StaticKeys(keys.entitlements))
    age_ms_max = config.settings.plan_memory_s * 1000
    return EntitlementVerifier(sources, audience=keys.audience, age_ms_max=age_ms_max)


def rings(config: Config, ring: KeyRing) -> dict[str, tuple[KeyInUse, ...]]:
    """What operators may know of the key rings; `ring`: of session keys, as it is in use."""
    return {
        "cluster": tuple(
            KeyInUse(_id(key), at == 0, lambda: None) for at, key in enumerate(config.keys.cluster)
        ),
        "session": tuple(
            KeyInUse(_id(key), at == 0, partial(ring.accepted, key_id(key)))
            for at, key in enumerate(config.keys.session)
        ),
    }


def _id(key: bytes) -> str:
    """A key's id as operators see it."""
    return f"{key_id(key):04x}"


def tls(files: TlsFiles, protocol: int, *, checks_host: bool = True) -> ssl.SSLContext:
    """Both ends show a certificate that the cluster's CA has signed, and check the other's.

    Nodes of one region reach one another at addresses that come and go, which no certificate
    holds: between them the host is not checked, only that the CA has signed."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = checks_host and protocol is ssl.PROTOCOL_TLS_CLIENT
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.cert, files.key)
        context.load_verify_locations(files.ca)
    except (ssl.SSLError, OSError) as error:
        raise StartError(
            f"[mesh] tls: {files.cert}, {files.key}, {files.ca} do not fit together: {error}. "
            "Give the certificate, its own private key and the CA that signed it, as PEM"
        ) from None
    return context

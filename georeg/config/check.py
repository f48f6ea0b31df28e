"""What must hold between the parts of a config file.

Each check compares only what is right by itself, so that one mistake is not reported twice.
"""

import ipaddress
from urllib.parse import urlsplit

from georeg.config.mistakes import Findings
from georeg.config.model import Config


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_regions(config: Config, findings: Findings) -> None:
    """Every region has one name, one number and one address, and this one is not its own peer."""
    names = {config.name: "this region's"} if config.name else {}
    numbers = {int(config.number): "this region's"} if config.number else {}
    urls: dict[str, str] = {}
    own = "list only the other regions: remove this [[peer]], or correct it"
    for index, peer in enumerate(config.peers):
        other = f"peer[{index}]'s"
        if peer.name == config.name and peer.number == config.number and peer.name:
            findings.add(("peer", index), f'"{peer.name}" is this region itself', own)
            continue
        if peer.name and (taken := names.setdefault(peer.name, other)) != other:
            findings.add(
                ("peer", index, "name"),
                f'"{peer.name}" is {taken} name as well',
                "give each region its own name",
            )
        if peer.number and (taken := numbers.setdefault(int(peer.number), other)) != other:
            findings.add(
                ("peer", index, "number"),
                f"{peer.number} is {taken} number as well",
                "give each region its own number: two that share one corrupt each other",
            )
        if peer.url and (taken := urls.setdefault(peer.url, other)) != other:
            findings.add(
                ("peer", index, "url"),
                f"{peer.url} is {taken} address as well",
                "give the address of that region's own mesh",
            )
    taken_by_former = "take it out of [former], or give the region another one: ids hold both"
    for number, name in sorted(config.former.items()):
        if name in names or number in numbers:
            findings.add(("former", name), "is a region of the cluster", taken_by_former)


def check_public_urls(config: Config, findings: Findings) -> None:
    """Each region has its own address for devices: nobody is sent back to where it comes from."""
    urls = {config.edge.public_url: "this region's own"} if config.edge.public_url else {}
    for index, peer in enumerate(config.peers):
        other = f"peer[{index}]'s"
        if peer.edge_url and (taken := urls.setdefault(peer.edge_url, other)) != other:
            findings.add(
                ("peer", index, "edge_url"),
                f"{peer.edge_url} is {taken} address as well",
                "give the address at which devices reach that region and no other",
            )


def check_places(config: Config, findings: Findings) -> None:
    """Listeners do not collide, nothing unsafe is public, TLS is used on both ends."""
    edge, mesh = config.edge, config.mesh
    if edge.port and edge.port == mesh.port and findings.is_clean("mesh"):
        findings.add(
            ("mesh", "port"),
            f"{mesh.port} is the port of the edge as well",
            "give the mesh a port of its own, which devices cannot reach",
        )
    if edge.dev and edge.host and not is_loopback(edge.host):
        findings.add(
            ("edge", "dev"),
            f"dev takes unsigned calls, and {edge.host} is not loopback",
            'remove dev, or listen on host = "127.0.0.1"',
        )
    for index, peer in enumerate(config.peers):
        if not findings.is_clean("peer", index):
            continue
        parts = urlsplit(peer.url)
        if mesh.tls is not None and parts.scheme == "ws":
            findings.add(
                ("peer", index, "url"),
                "is ws://, but this mesh uses TLS",
                "write wss://, or remove the tls_ files of [mesh]",
            )
        if parts.port == mesh.port and is_loopback(parts.hostname or "") and is_loopback(mesh.host):
            findings.add(
                ("peer", index, "url"),
                f"{peer.url} is where this region's own mesh listens",
                "give the address of that region's mesh",
            )

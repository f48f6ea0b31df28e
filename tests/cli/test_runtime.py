"""A region put together from its config, on a loop of the test: clock, TLS between regions."""

import asyncio
import datetime
import ipaddress
import random
import secrets
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crdt.dots import RegionId
from georeg.cli.demo.plan import RegionPlan, make_plan, write_configs
from georeg.cli.parts import tls
from georeg.cli.runtime import LoopClock, Node, StartError, Surroundings
from georeg.cli.serve import wall_ms
from georeg.config import TlsFiles, load
from georeg.mesh import LinkState
from georeg.store import NoJournal


async def test_the_clock_runs_with_the_loop_and_calls_back_once() -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, lambda: 1_700_000_000_000)
    assert abs(clock.now_ms() - loop.time() * 1000) < 1000
    assert clock.wall_ms() == 1_700_000_000_000
    called = asyncio.Event()
    clock.call_later(1, called.set)
    await asyncio.wait_for(called.wait(), 10)


async def test_a_call_that_is_cancelled_is_never_made() -> None:
    clock = LoopClock(asyncio.get_running_loop(), lambda: 0)
    called: list[str] = []
    later = asyncio.Event()
    clock.call_later(1, lambda: called.append("cancelled")).cancel()
    clock.call_later(2, later.set)
    await asyncio.wait_for(later.wait(), 10)
    assert called == []


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = self._builder(self._name, self._key).add_extension(usage, critical=True)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = directory / "ca.pem"
        self._write(self.file, own)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _write(self, file: Path, builder: x509.CertificateBuilder) -> None:
        certificate = builder.sign(self._key, hashes.SHA256())
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate, secret = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        self._write(certificate, self._builder(subject, key).add_extension(address, critical=False))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret


def with_tls(region: RegionPlan, authority: Authority, ca: Path | None = None) -> None:
    """Give a region's mesh a certificate, and the authority that it trusts."""
    certificate, secret = authority.issue(region.name)
    text = region.config_file.read_text().replace("ws://", "wss://")
    tls = f'tls_cert_file = "{certificate}"\ntls_key_file = "{secret}"\n'
    tls += f'tls_ca_file = "{ca or authority.file}"\n'
    region.config_file.write_text(text.replace("[mesh]\n", f"[mesh]\n{tls}"))


def node_of(region: RegionPlan) -> Node:
    surroundings = Surroundings(wall_ms, random.SystemRandom(), secrets.token_bytes, NoJournal())
    return Node(load(region.config_file), surroundings)


@pytest.fixture
def pair(tmp_path: Path, consecutive_ports: Callable[[int], int]) -> list[RegionPlan]:
    """Two regions with their configs written."""
    plan = make_plan(["us", "eu"], consecutive_ports(2), tmp_path)
    write_configs(plan, heartbeat_s=1.0, lease_s=None)
    return plan


async def test_regions_talk_over_tls_when_both_certificates_are_the_authoritys(
    pair: list[RegionPlan], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    for region in pair:
        with_tls(region, authority)
    nodes = [node_of(region) for region in pair]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        link = nodes[0].links()[RegionId(2)]
        assert link.state is LinkState.UP
        assert link.accepted
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def test_between_nodes_of_a_region_the_authority_counts_and_not_the_host(
    tmp_path: Path,
) -> None:
    ours, strange = Authority(tmp_path / "ca"), Authority(tmp_path / "strange")

    def files(authority: Authority) -> TlsFiles:
        return TlsFiles(*authority.issue("us"), ours.file)

    async def connect(certified: Authority, *, checks_host: bool) -> None:
        """To an address that the certificate, which is for 127.0.0.1, does not name."""
        server_tls = tls(files(certified), ssl.PROTOCOL_TLS_SERVER)
        server_tls.verify_mode = ssl.CERT_NONE
        client_tls = tls(files(ours), ssl.PROTOCOL_TLS_CLIENT, checks_host=checks_host)
        server = await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=server_tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("localhost", port, ssl=client_tls)
            writer.close()
            await writer.wait_closed()

    await connect(ours, checks_host=False)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await connect(ours, checks_host=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="signature failure"):
        await connect(strange, checks_host=False)


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_region_that_is_held_to_an_older_protocol_speaks_it_and_says_nothing_newer(
    pair: list[RegionPlan],
) -> None:
    file = pair[1].config_file
    file.write_text(file.read_text().replace("[mesh]\n", "[mesh]\nprotocol_max = 1\n"))
    nodes = [node_of(region) for region in pair]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        link = nodes[0].links()[RegionId(2)]
        assert (link.version_out, link.version_in) == (1, 1)
        assert link.bad_messages == nodes[1].links()[RegionId(1)].bad_messages == 0
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def test_a_link_that_goes_down_is_no_way_to_the_peer_any_more(pair: list[RegionPlan]) -> None:
    nodes = [node_of(region) for region in pair]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        region = nodes[0].region
        while not region.status().peers[0].is_direct:  # noqa: ASYNC110 - it has no events
            await asyncio.sleep(0.02)
        await nodes[1].stop()
        while nodes[0].links()[RegionId(2)].state is LinkState.UP:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert not region.status().peers[0].is_direct
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def test_a_region_whose_certificate_another_authority_signed_gets_no_link(
    pair: list[RegionPlan], tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    with_tls(pair[0], ours)
    with_tls(pair[1], theirs, ca=ours.file)
    nodes = [node_of(region) for region in pair]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        link = nodes[0].links()[RegionId(2)]
        assert link.state is not LinkState.UP
        assert not link.accepted
        assert "certificate" in link.last_error.lower()
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def test_a_key_that_is_not_the_certificates_is_told_at_the_start(
    pair: list[RegionPlan], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    with_tls(pair[0], authority)
    _, other = authority.issue("other")
    text = pair[0].config_file.read_text()
    pair[0].config_file.write_text(text.replace("us.key", other.name))
    with pytest.raises(StartError, match="do not fit together"):
        node_of(pair[0])

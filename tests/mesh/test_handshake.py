"""The proof of the key, without sockets: who is let in, who is not, and what each attack needs."""

from collections.abc import Callable
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import RegionId
from georeg.mesh import handshake
from georeg.mesh.errors import Closing, LocalError, PeerError
from georeg.mesh.handshake import Acceptor, Credentials, Dialler
from georeg.mesh.settings import Identity
from georeg.mesh.slices import WHOLE, Slice
from tests.mesh.nodes import EU, KEY, OTHER_KEY, US, counted_bytes

AP = RegionId(3)
NONCES = counted_bytes(0)


def credentials(
    region: RegionId,
    *keys: bytes,
    cluster: str = "test",
    token: Callable[[int], bytes] = NONCES,
    slice_: Slice = WHOLE,
) -> Credentials:
    return Credentials(Identity(cluster, region, str(region), slice_), keys or (KEY,), token)


def meet(dialler: Dialler, acceptor: Acceptor) -> None:
    """Carry the three frames; raises what either side raises."""
    hello = dialler.receive(acceptor.challenge())
    assert hello is not None
    assert dialler.receive(acceptor.receive(hello)) is None


def refusal(dialler: Dialler, acceptor: Acceptor) -> PeerError:
    with pytest.raises(PeerError) as caught:
        meet(dialler, acceptor)
    assert not dialler.proven
    return caught.value


def test_both_sides_are_proven_when_they_share_the_key() -> None:
    dialler, acceptor = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US})
    meet(dialler, acceptor)
    assert dialler.proven
    assert acceptor.peer == US


def test_nobody_is_proven_before_the_last_frame() -> None:
    dialler, acceptor = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US})
    hello = dialler.receive(acceptor.challenge())
    assert not dialler.proven
    assert acceptor.peer is None
    assert hello is not None


def test_the_frames_are_what_the_documentation_says() -> None:
    dialler, acceptor = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US})
    challenge = acceptor.challenge()
    hello = dialler.receive(challenge)
    assert hello is not None
    welcome = acceptor.receive(hello)
    assert (challenge[:3], len(challenge)) == (b"\x01\x00\x01", 35)
    assert (hello[:5], hello[69:]) == (b"\x02\x00\x01\x01\x02", b"test")
    assert (welcome[:3], len(welcome)) == (b"\x03\x00\x01", 35)


@pytest.mark.parametrize(
    ("me", "peer", "key", "cluster", "closing", "why"),
    [
        (US, EU, OTHER_KEY, "test", Closing.KEY, "fits none of the cluster keys"),
        (US, EU, KEY, "stage", Closing.CLUSTER, "this is not cluster stage"),
        (EU, US, KEY, "test", Closing.REGION, "both sides claim region number 2"),
        (AP, EU, KEY, "test", Closing.REGION, "region 3 is not known here"),
        (US, AP, KEY, "test", Closing.REGION, "this is not region 3"),
    ],
    ids=["wrong key", "wrong cluster", "same number", "unknown number", "not the region dialled"],
)
def test_the_acceptor_refuses_and_says_why(
    me: RegionId, peer: RegionId, key: bytes, cluster: str, closing: Closing, why: str
) -> None:
    acceptor = Acceptor(credentials(EU), {US})
    error = refusal(Dialler(credentials(me, key, cluster=cluster), peer), acceptor)
    assert error.closing is closing
    assert why in str(error)
    assert acceptor.peer is None


def test_the_dialler_refuses_an_acceptor_whose_first_key_it_does_not_know() -> None:
    dialler = Dialler(credentials(US), EU)
    acceptor = Acceptor(credentials(EU, OTHER_KEY, KEY), {US})
    assert refusal(dialler, acceptor).closing is Closing.KEY


def test_keys_rotate_without_a_moment_in_which_regions_refuse_each_other() -> None:
    rings = [(KEY,), (KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)]
    for before, after in zip(rings, rings[1:], strict=False):
        for mine, theirs in ((before, after), (after, before), (after, after)):
            meet(Dialler(credentials(US, *mine), EU), Acceptor(credentials(EU, *theirs), {US}))


@pytest.mark.parametrize("version", [0, 2, 65535])
def test_another_version_is_told_by_both_sides(version: int) -> None:
    with pytest.raises(PeerError, match=f"version 1 here, {version} there") as caught:
        Dialler(credentials(US), EU).receive(pack("!BH", 1, version))
    assert caught.value.closing is Closing.VERSION
    with pytest.raises(PeerError, match=f"version 1 here, {version} there") as caught:
        Acceptor(credentials(EU), {US}).receive(pack("!BH", 2, version) + b"of another form")
    assert caught.value.closing is Closing.VERSION


@pytest.mark.parametrize(("place", "size"), [(0, 35), (1, 73), (2, 35)])
def test_no_bit_of_a_frame_may_change_on_the_way(place: int, size: int) -> None:
    for bit in range(8 * size):
        dialler, acceptor = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US, AP})

        def carried(frame: bytes, at: int, bit: int = bit) -> bytes:
            flip = 1 << bit if at == place else 0
            return (int.from_bytes(frame, "big") ^ flip).to_bytes(len(frame), "big")

        def meet_over_a_bad_link(
            dialler: Dialler = dialler,
            acceptor: Acceptor = acceptor,
            carried: Callable[[bytes, int], bytes] = carried,
        ) -> None:
            hello = dialler.receive(carried(acceptor.challenge(), 0))
            assert hello is not None
            dialler.receive(carried(acceptor.receive(carried(hello, 1)), 2))

        with pytest.raises(PeerError):
            meet_over_a_bad_link()
        assert not dialler.proven


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x02\x00\x01" + tail))
def test_any_bytes_for_a_hello_are_refused(frame: bytes) -> None:
    acceptor = Acceptor(credentials(EU), {US})
    with pytest.raises(PeerError):
        acceptor.receive(frame)
    assert acceptor.peer is None


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\x03\x00\x01" + tail))
def test_any_bytes_for_a_welcome_are_refused(frame: bytes) -> None:
    dialler = Dialler(credentials(US), EU)
    dialler.receive(Acceptor(credentials(EU), {US}).challenge())
    with pytest.raises(PeerError):
        dialler.receive(frame)
    assert not dialler.proven


def test_a_handshake_that_failed_cannot_be_tried_again() -> None:
    acceptor = Acceptor(credentials(EU), {US})
    hello = Dialler(credentials(US), EU).receive(acceptor.challenge())
    assert hello is not None
    with pytest.raises(PeerError):
        acceptor.receive(b"garbage")
    with pytest.raises(LocalError):
        acceptor.receive(hello)


# Attacks: each returns whether it got past the proof. The mutants leave one thing out of what
# is signed; the attack that this thing is for must then succeed, else the test proves nothing.


def replays_a_hello() -> bool:
    dialler, heard = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US})
    hello = dialler.receive(heard.challenge())
    assert hello is not None
    return gets_in(Acceptor(credentials(EU), {US}), hello)


def replays_a_welcome() -> bool:
    # The impostor repeats the old challenge too, so that only the dialler's own nonce is new.
    old_dialler, acceptor = Dialler(credentials(US), EU), Acceptor(credentials(EU), {US})
    hello = old_dialler.receive(acceptor.challenge())
    assert hello is not None
    welcome = acceptor.receive(hello)
    dialler = Dialler(credentials(US), EU)
    dialler.receive(acceptor.challenge())
    return is_convinced(dialler, welcome)


def reflects_the_proof_as_welcome() -> bool:
    dialler = Dialler(credentials(US), EU)
    hello = dialler.receive(pack("!BH32s", 1, 1, bytes(32)))
    assert hello is not None
    return is_convinced(dialler, pack("!BH32s", 3, 1, hello[37:69]))


def reflects_the_hello_to_its_maker() -> bool:
    # The impostor sits where eu should be: it hands us's dialler the nonce of us's own listener,
    # and the hello back to that listener, with the two region numbers exchanged.
    listener = Acceptor(credentials(US), {EU})
    hello = Dialler(credentials(US), EU).receive(listener.challenge())
    assert hello is not None
    return gets_in(listener, hello[:3] + bytes((EU, US)) + hello[5:])


def uses_a_proof_in_another_cluster() -> bool:
    acceptor = Acceptor(credentials(EU, cluster="live"), {US})
    hello = Dialler(credentials(US, cluster="stage"), EU).receive(acceptor.challenge())
    assert hello is not None
    return gets_in(acceptor, hello[:69] + b"live")


def makes_them_speak_two_versions() -> bool:
    # The middleman has changed what was offered, and changes the heads of the frames to match.
    acceptor = Acceptor(credentials(EU), {US}, 1)
    dialler = Dialler(credentials(US), EU, 2)
    hello = dialler.receive(as_version(2, acceptor.challenge()))
    assert hello is not None
    return gets_in(acceptor, as_version(1, hello))


def is_led_to_another_slice() -> bool:
    acceptor = Acceptor(credentials(EU, slice_=Slice(1, 4)), {US})
    hello = Dialler(credentials(US, slice_=Slice(3, 4)), EU).receive(acceptor.challenge())
    assert hello is not None
    return gets_in(acceptor, hello)


def as_version(version: int, frame: bytes) -> bytes:
    return frame[:1] + pack("!H", version) + frame[3:]


def gets_in(acceptor: Acceptor, hello: bytes) -> bool:
    try:
        acceptor.receive(hello)
    except PeerError as error:
        return error.closing is not Closing.KEY
    return True


def is_convinced(dialler: Dialler, welcome: bytes) -> bool:
    try:
        dialler.receive(welcome)
    except PeerError as error:
        return error.closing is not Closing.KEY
    return True


ATTACKS = [
    (replays_a_hello, "nonce_a"),
    (replays_a_welcome, "nonce_d"),
    (reflects_the_proof_as_welcome, "role"),
    (reflects_the_hello_to_its_maker, "regions"),
    (uses_a_proof_in_another_cluster, "cluster"),
    (makes_them_speak_two_versions, "version"),
    (is_led_to_another_slice, "slice"),
]


@pytest.mark.parametrize(("attack", "_guard"), ATTACKS)
def test_an_attack_fails(attack: Callable[[], bool], _guard: str) -> None:
    assert not attack()


@pytest.mark.parametrize(("attack", "guard"), ATTACKS)
def test_an_attack_succeeds_when_its_guard_is_not_signed(
    attack: Callable[[], bool], guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signed(
        role: int,
        version: int,
        cluster: str,
        dialler: int,
        acceptor: int,
        nonce_a: bytes,
        nonce_d: bytes,
        slice_: Slice,
    ) -> bytes:
        parts = {
            "role": bytes((role,)),
            "version": bytes((version,)),
            "cluster": cluster.encode(),
            "regions": bytes((dialler, acceptor)),
            "nonce_a": nonce_a,
            "nonce_d": nonce_d,
            "slice": slice_.signed,
        }
        return b"|".join(part for name, part in sorted(parts.items()) if name != guard)

    monkeypatch.setattr(handshake, "_signed", signed)
    assert attack()


@pytest.mark.parametrize("keys", [(), (b"short" * 6,), (KEY, b"x" * 65), (KEY,) * 9])
def test_an_unfit_key_ring_is_refused_at_once(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(LocalError):
        Credentials(Identity("test", US, "us"), keys, NONCES)


def test_keys_are_not_shown() -> None:
    assert repr(KEY) not in repr(credentials(US))

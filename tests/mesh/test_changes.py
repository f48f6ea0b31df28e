"""Peers and keys that change while a node runs."""

import pytest

from georeg.mesh import Closing, LocalError, Peer
from tests.mesh.nodes import EU, KEY, NOWHERE, OTHER_KEY, US, node, until, url


async def test_an_added_peer_is_dialled_and_let_in() -> None:
    async with node(EU, {}) as (eu, theirs), node(US, {EU: url(eu.port)}) as (us, mine):
        await until(lambda: "4003 region 1 is not known here" in us.links()[EU].last_error)
        eu.set_peers({US: Peer("us", url(us.port))})
        assert await mine.change() == ("up", EU)
        assert await theirs.change() == ("up", US)
        us.send(EU, b"hello")
        assert await theirs.message() == (US, b"hello")


async def test_a_removed_peer_is_hung_up_on_and_told_why() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, theirs), node(US, {EU: url(eu.port)}) as (us, mine):
        assert await mine.change() == ("up", EU)
        us.send(EU, b"hello")
        await theirs.message()
        eu.set_peers({})
        assert await mine.change() == ("down", EU)
        await until(lambda: "4003 region 1 is not known here" in us.links()[EU].last_error)
        assert eu.links() == {}
        with pytest.raises(LocalError, match="region 1 is no peer"):
            eu.send(US, b"hello")


async def test_a_removed_peer_is_no_longer_dialled() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _), node(US, {EU: url(eu.port)}) as (us, mine):
        assert await mine.change() == ("up", EU)
        us.set_peers({})
        assert await mine.change() == ("down", EU)
        await until(lambda: not eu.links()[US].accepted)
        assert us.links() == {}


async def test_a_peer_whose_address_has_changed_is_dialled_there() -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, theirs),
        node(US, {EU: NOWHERE}) as (us, mine),
    ):
        us.set_peers({EU: Peer("eu", url(eu.port))})
        assert await mine.change() == ("up", EU)
        us.set_peers({EU: Peer("eu", url(eu.port))})  # the same again changes nothing
        us.send(EU, b"hello")
        assert await theirs.message() == (US, b"hello")


async def test_keys_rotate_while_regions_are_connected() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, theirs), node(US, {EU: url(eu.port)}) as (us, mine):
        assert await mine.change() == ("up", EU)
        us.set_keys((OTHER_KEY,))
        us.send(EU, b"hello")
        assert await theirs.message() == (US, b"hello")
        us.set_peers({})
        assert await mine.change() == ("down", EU)
        us.set_peers({EU: Peer("eu", url(eu.port))})
        await until(lambda: eu.refusals.get(Closing.KEY, 0) > 0)
        eu.set_keys((KEY, OTHER_KEY))
        us.set_keys((OTHER_KEY, KEY))  # or us would not believe eu, which signs with its first
        assert await mine.change() == ("up", EU)


async def test_what_cannot_be_changes_nothing() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _):
        with pytest.raises(LocalError, match="is this region"):
            eu.set_peers({EU: Peer("eu", NOWHERE)})
        with pytest.raises(LocalError, match="cluster keys"):
            eu.set_keys(())
        assert list(eu.links()) == [US]


@pytest.mark.parametrize(
    ("key", "cluster", "why"),
    [
        (OTHER_KEY, "test", "4004 the proof fits none of the cluster keys here"),
        (KEY, "stage", "4002 this is not cluster stage"),
    ],
)
async def test_both_sides_can_tell_why_a_peer_is_refused(
    key: bytes, cluster: str, why: str
) -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, _),
        node(US, {EU: url(eu.port)}, keys=(key,), cluster=cluster) as (us, _),
    ):
        await until(lambda: eu.links()[US].last_refusal == why)
        await until(lambda: us.links()[EU].last_error == f"closed by the peer: {why}")
        assert us.links()[EU].last_refusal == ""

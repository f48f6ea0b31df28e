"""Which version two regions speak, and what happens when they have none in common."""

from typing import Any

import pytest

from georeg.mesh import Closing
from georeg.mesh.errors import LocalError, PeerError
from georeg.mesh.versions import Versions
from tests.mesh.nodes import EU, NOWHERE, US, node, slower, until, url
from tests.mesh.strangers import farewell, frame, knock

OLD, BOTH, NEW = Versions(1, 1), Versions(1, 2), Versions(2, 2)


@pytest.mark.parametrize(
    ("mine", "offered", "version"),
    [
        (BOTH, ("georeg.2", "georeg.1"), 2),
        (BOTH, ("georeg.1", "georeg.2"), 2),
        (BOTH, ("georeg.3", "georeg.2", "georeg.1"), 2),
        (OLD, ("georeg.2", "georeg.1"), 1),
        (BOTH, ("georeg.1",), 1),
        (BOTH, (), 1),
        (BOTH, ("chat", "georeg.02", "georeg.2 "), 1),
        (NEW, ("georeg.1",), None),
        (NEW, (), None),
        (OLD, ("georeg.9999", "georeg.3"), None),
    ],
)
def test_the_highest_version_of_both_is_picked(
    mine: Versions, offered: tuple[str, ...], version: int | None
) -> None:
    assert mine.pick(offered) == version
    if version is None:
        with pytest.raises(PeerError, match=f"protocol version {mine} here, "):
            mine.agree(offered)
    else:
        assert mine.agree(offered) == version


def test_all_versions_are_offered_the_highest_first() -> None:
    assert Versions(1, 3).offered() == ("georeg.3", "georeg.2", "georeg.1")


@pytest.mark.parametrize(("oldest", "newest"), [(0, 1), (2, 1), (1, 10_000)])
def test_versions_that_cannot_be_are_refused(oldest: int, newest: int) -> None:
    with pytest.raises(LocalError, match="protocol versions"):
        Versions(oldest, newest)


@pytest.mark.parametrize(
    ("of_eu", "of_us", "spoken"),
    [(BOTH, BOTH, 2), (OLD, BOTH, 1), (BOTH, OLD, 1), (NEW, BOTH, 2), (OLD, OLD, 1)],
    ids=["new", "old listens", "old dials", "one dropped version 1", "old"],
)
async def test_two_regions_speak_their_highest_version(
    of_eu: Versions, of_us: Versions, spoken: int
) -> None:
    settings = {EU: slower(versions=of_eu), US: slower(versions=of_us)}
    async with (
        node(EU, {US: NOWHERE}, settings=settings[EU]) as (eu, theirs),
        node(US, {EU: url(eu.port)}, settings=settings[US]) as (us, mine),
    ):
        assert await mine.change() == ("up", EU)
        us.send(EU, b"hello")
        assert await theirs.message() == (US, b"hello")
        assert (mine.versions, theirs.versions) == ([("up", spoken)], [("in", spoken)])
        assert us.links()[EU].version_out == spoken
        assert eu.links()[US].version_in == spoken
        assert eu.links()[US].version_out == 0


@pytest.mark.parametrize(
    ("of_eu", "of_us", "why"),
    [
        (NEW, OLD, "protocol version 2 here, 1 there"),
        (OLD, NEW, "protocol version 1 here, 2 there"),
        (BOTH, Versions(3, 4), "protocol version 1 to 2 here, 3 to 4 there"),
    ],
)
async def test_no_common_version_is_told_on_both_sides(
    of_eu: Versions, of_us: Versions, why: str, logs: list[Any]
) -> None:
    async with (
        node(EU, {US: NOWHERE}, settings=slower(versions=of_eu)) as (eu, theirs),
        node(US, {EU: url(eu.port)}, settings=slower(versions=of_us)) as (us, mine),
    ):
        await until(lambda: eu.refusals.get(Closing.VERSION, 0) > 0)
        await until(lambda: us.links()[EU].last_error == f"closed by the peer: 4001 {why}")
        assert theirs.messages.empty()
        assert mine.versions == []
    refused = [entry for entry in logs if entry["event"] == "mesh_refused"]
    assert (refused[0]["code"], refused[0]["reason"]) == (4001, why)
    assert any(
        entry["event"] == "mesh_link_not_up" and entry["reason"].endswith(why) for entry in logs
    )


async def test_a_listener_that_picks_none_is_left_by_one_that_speaks_no_version_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As a listener of the first version: it knows nothing of versions and sends its challenge.
    monkeypatch.setattr("georeg.mesh.listener._offered", lambda request: ())
    async with (
        node(EU, {US: NOWHERE}, settings=slower(versions=OLD)) as (eu, _),
        node(US, {EU: url(eu.port)}, settings=slower(versions=NEW)) as (us, _),
    ):
        why = "closed here: 4001 protocol version 2 here, 1 there"
        await until(lambda: us.links()[EU].last_error == why)
        assert us.links()[EU].version_out == 0


async def test_one_who_names_no_version_gets_the_first_frame_of_version_1() -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _), knock(eu.port) as socket:
        assert (await frame(socket))[:3] == b"\x01\x00\x01"
        assert socket.protocol is None


async def test_an_offer_of_strangers_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with node(EU, {US: NOWHERE}) as (eu, _), knock(eu.port, "chat", "", "x") as socket:
        await socket.send_bytes(b"garbage")
        await frame(socket)
        assert (await farewell(socket))[0] == Closing.MALFORMED
    assert not caplog.records

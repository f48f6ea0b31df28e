"""Each fault does to real bytes what it says, to those and no others, until it is over."""

import asyncio
import time

import pytest

from region_sim.live.links import Links, Toxic, closed_by, toxics_of
from region_sim.plan.faults import Fault, FaultKind, check_fault
from tests.sim.live.conftest import Ends, arrives, ends

pytestmark = pytest.mark.toxiproxy
A_TO_B = (("a", "b"),)


def fault(kind: FaultKind, *, how: str = "", amount: float = 0.0) -> Fault:
    return check_fault(Fault(kind, 1, 1, links=A_TO_B, how=how, amount=amount), ("a", "b"))


async def test_a_link_carries_bytes_both_ways(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    assert await wire.carries(b"message")
    assert await wire.brings_back(b"pong")


async def test_a_dropping_cut_swallows_what_is_sent_over_it(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    assert await wire.carries(b"before")
    await ends_of.links.begin(fault(FaultKind.CUT, how="drop"), "f")
    assert not await wire.carries(b"lost")
    assert not await wire.brings_back(b"lost")


async def test_a_one_way_cut_leaves_the_other_direction_alone(ends_of: Ends) -> None:
    back = await ends_of.dial("b", "a")
    await ends_of.links.begin(fault(FaultKind.CUT, how="drop"), "f")
    assert await back.carries(b"message")
    assert await back.brings_back(b"pong")


async def test_a_connection_that_lost_bytes_in_a_cut_is_closed_when_it_heals(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    cut = fault(FaultKind.CUT, how="drop")
    await ends_of.links.begin(cut, "f")
    assert not await wire.carries(b"lost")
    await ends_of.links.end(cut, "f")
    assert await ends(wire.far_reads)
    assert await (await ends_of.dial("a", "b")).carries(b"after")


async def test_a_rejecting_cut_ends_connections_and_refuses_new_ones(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    cut = fault(FaultKind.CUT, how="reject")
    await ends_of.links.begin(cut, "f")
    assert await ends(wire.near_reads)
    with pytest.raises(ConnectionRefusedError):
        await ends_of.dial("a", "b")
    await ends_of.links.end(cut, "f")
    assert await (await ends_of.dial("a", "b")).carries(b"after")


async def test_a_link_opens_when_the_last_of_two_rejecting_cuts_is_over(ends_of: Ends) -> None:
    cut = fault(FaultKind.CUT, how="reject")
    await ends_of.links.begin(cut, "f1")
    await ends_of.links.begin(cut, "f2")
    await ends_of.links.end(cut, "f1")
    with pytest.raises(ConnectionRefusedError):
        await ends_of.dial("a", "b")
    await ends_of.links.end(cut, "f2")
    assert await (await ends_of.dial("a", "b")).carries(b"after")


async def test_lag_makes_every_byte_take_longer(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    await ends_of.links.begin(fault(FaultKind.LAG, amount=0.2), "f")
    sent_s = time.monotonic()
    wire.near_writes.write(b"slow")
    assert await wire.far_reads.readexactly(4) == b"slow"
    assert time.monotonic() - sent_s >= 0.2
    assert await wire.brings_back(b"pong")


async def test_a_narrow_link_passes_so_many_bytes_a_second(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    await ends_of.links.begin(fault(FaultKind.NARROW, amount=20_000), "f")
    sent_s = time.monotonic()
    wire.near_writes.write(bytes(20_000))
    await wire.far_reads.readexactly(20_000)
    assert time.monotonic() - sent_s >= 0.8


async def test_a_stall_holds_everything_and_then_passes_it_on_in_order(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    stall = fault(FaultKind.STALL)
    await ends_of.links.begin(stall, "f")
    assert not await wire.carries(b"first ")
    assert not await wire.carries(b"second")
    await ends_of.links.end(stall, "f")
    assert await arrives(wire.far_reads, b"first second")
    assert await wire.carries(b"third")


async def test_a_stall_is_over_at_once_also_when_a_held_connection_is_dead(ends_of: Ends) -> None:
    wire = await ends_of.dial("a", "b")
    stall = fault(FaultKind.STALL)
    await ends_of.links.begin(stall, "f")
    for _ in range(4):
        assert not await wire.carries(b"held")
    wire.far_writes.transport.abort()
    async with asyncio.timeout(4):  # Toxiproxy alone waits 5 s for each of them
        await ends_of.links.end(stall, "f")
    assert await (await ends_of.dial("a", "b")).carries(b"after")


async def test_the_length_of_the_world_stays_when_faults_come_and_go(ends_of: Ends) -> None:
    await ends_of.links.stretch({("a", "b"): 40_000, ("b", "a"): 40_000}, jitter=0.0)
    wire = await ends_of.dial("a", "b")
    lag = fault(FaultKind.LAG, amount=0.1)
    await ends_of.links.begin(lag, "f")
    assert await ends_of.links.troubles() != []
    await ends_of.links.end(lag, "f")
    sent_s = time.monotonic()
    assert await wire.carries(b"message")
    assert time.monotonic() - sent_s >= 0.04
    assert await ends_of.links.troubles() == []


async def test_ending_a_fault_that_never_began_is_harmless(ends_of: Ends) -> None:
    links: Links = ends_of.links
    for kind in (FaultKind.CUT, FaultKind.LAG, FaultKind.STALL):
        await links.end(fault(kind), "f")
    await links.end(fault(FaultKind.CUT, how="reject"), "f")
    assert await (await ends_of.dial("a", "b")).carries(b"message")


def test_a_cut_is_one_of_messages_and_all_else_one_of_bytes() -> None:
    cut = toxics_of(fault(FaultKind.CUT, how="drop"))
    lag = toxics_of(fault(FaultKind.LAG, amount=0.5))
    assert {(toxic.pair, toxic.stream) for toxic in cut} == {
        (("a", "b"), "upstream"),
        (("a", "b"), "downstream"),
    }
    assert {(toxic.pair, toxic.stream) for toxic in lag} == {
        (("a", "b"), "upstream"),
        (("b", "a"), "downstream"),
    }
    assert all(isinstance(toxic, Toxic) for toxic in (*cut, *lag))
    assert closed_by(fault(FaultKind.CUT, how="reject")) == A_TO_B

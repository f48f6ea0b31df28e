"""Pauses between attempts: they double to a limit, differ between links, and start over."""

from random import Random

from georeg.mesh.backoff import Backoff


def test_pauses_double_up_to_the_limit() -> None:
    backoff = Backoff(50, 1_000, Random(1))
    for whole_ms in (50, 100, 200, 400, 800, 1_000, 1_000):
        assert whole_ms / 2 <= backoff.next_ms(0) <= whole_ms


def test_two_links_do_not_pause_alike() -> None:
    one, two = Backoff(50, 1_000, Random(1)), Backoff(50, 1_000, Random(2))
    assert [one.next_ms(0) for _ in range(5)] != [two.next_ms(0) for _ in range(5)]


def test_a_link_that_lived_starts_over() -> None:
    backoff = Backoff(50, 1_000, Random(1))
    for _ in range(9):
        backoff.next_ms(0)
    assert backoff.next_ms(1_001) <= 50


def test_a_link_that_is_closed_as_soon_as_it_is_up_does_not_start_over() -> None:
    backoff = Backoff(50, 1_000, Random(1))
    for _ in range(9):
        backoff.next_ms(30)
    assert backoff.next_ms(30) >= 500

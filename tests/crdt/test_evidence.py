"""What bears a refusal."""

from crdt.evidence import Witness, covers, distinct_devices


def test_a_device_counts_once_whatever_its_sessions() -> None:
    assert distinct_devices([Witness("tv", 0), Witness("tv", 10), Witness("pad", 0)], 3_000) == 2


def test_the_asking_device_never_counts_against_itself() -> None:
    assert not covers([Witness("tv", 0), Witness("pad", 0)], 2, 3_000, asking="tv")
    assert covers([Witness("tv", 0), Witness("pad", 0)], 1, 3_000, asking="tv")


def test_a_word_that_is_too_old_is_none() -> None:
    assert covers([Witness("tv", 3_000)], 1, 3_000)
    assert not covers([Witness("tv", 3_001)], 1, 3_000)

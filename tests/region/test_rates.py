"""What happened in the last minute, from counters that only grow."""

from georeg.region.rates import LastMinute


def test_only_what_happened_in_the_last_minute_counts() -> None:
    minute, counters = LastMinute(["refused"]), {"refused": 5}
    minute.sample(counters, 0)
    counters["refused"] = 8
    minute.sample(counters, 30_000)
    counters["refused"] = 9
    assert minute.counts(counters) == {"refused": 4}
    minute.sample(counters, 70_000)
    assert minute.counts(counters) == {"refused": 1}


def test_a_minute_of_samples_is_kept_however_often_it_is_asked_for() -> None:
    minute = LastMinute(["refused"])
    for now_ms in range(0, 200_000, 100):
        minute.sample({"refused": now_ms}, now_ms)
    assert len(minute._samples) <= 61


def test_a_counter_that_does_not_exist_yet_is_zero() -> None:
    minute = LastMinute(["refused"])
    minute.sample({}, 0)
    assert minute.counts({"refused": 2}) == {"refused": 2}

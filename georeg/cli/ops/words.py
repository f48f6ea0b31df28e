"""Numbers and times as a person at a terminal reads them. None is a dash: not known here."""

DASH = "-"
_STEPS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def number(value: int | None) -> str:
    """1204 as 1,204."""
    return DASH if value is None else f"{value:,}"


def duration(time_s: float | None) -> str:
    """Seconds as 12ms, 0.4s, 42s, 3m 5s, 6d 4h: two parts at most."""
    if time_s is None:
        return DASH
    if time_s < 0.1:
        return f"{time_s * 1000:.0f}ms" if time_s else "0s"
    if time_s < 10:
        return f"{time_s:.1f}s"
    whole = round(time_s)
    for size, unit, smaller, name in _STEPS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit} {rest}{name}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def trip(time_s: float | None) -> str:
    """A round trip, which is measured in whole milliseconds."""
    return "<1ms" if time_s == 0 else duration(time_s)


def seconds_of(text: str) -> int:
    """90, 90s, 10m, 1h, 2d as seconds. Raises ValueError."""
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    unit = units.get(text[-1:], 0)
    digits = text[:-1] if unit else text
    if not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise ValueError(f"{text} is no time; write 90s, 10m, 1h or 2d")
    return int(digits) * (unit or 1)


def plural(count: int, one: str, many: str = "") -> str:
    """1 session, 3 sessions."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

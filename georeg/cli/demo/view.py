"""The demo's regions as a person sees them: a table that lives, or plain lines when things change.

Pure: from values to text or a rich table. What is shown of a region is its own view of the cluster,
so during a partition two rows may disagree, and that is what there is to see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.table import Table
from rich.text import Text

from georeg.cli.demo.gauges import LinkNumbers, RegionNumbers


@dataclass(frozen=True, slots=True)
class Row:
    """One region now."""

    name: str
    address: str
    pid: int | None
    """None: no process."""
    numbers: RegionNumbers | None
    """None: it does not answer."""
    ending: str = ""
    """How its process has ended; empty: it has not, as far as is known yet."""

    @property
    def state(self) -> str:
        """DOWN: no process or no answer; starting: it takes no starts yet; up."""
        if self.pid is None or self.numbers is None:
            return "DOWN"
        return "up" if self.numbers.is_ready else "starting"


_STYLES = {"up": "green", "starting": "yellow", "suspect": "yellow", "DOWN": "bold red"}


def _age(age_s: float | None) -> str:
    return "-" if age_s is None else f"{age_s:.1f} s"


def _trip(trip_s: float | None) -> str:
    return "-" if trip_s is None else f"{trip_s * 1000:.1f} ms"


def _link(link: LinkNumbers) -> Text:
    text = Text(f"{link.peer} ")
    if link.state != "up":
        text.append(f"{link.state} ", style=_STYLES.get(link.state, "red"))
    text.append(f"{_age(link.age_s)} / {_trip(link.round_trip_s)}")
    return text


def live_table(rows: Sequence[Row], hint: str) -> Table:
    """The live view."""
    table = Table(caption=hint, caption_justify="left", title_justify="left")
    table.add_column("region")
    table.add_column("pid", justify="right")
    table.add_column("state")
    table.add_column("sessions\nhere / known", justify="right")
    table.add_column("grants\nheld / lent", justify="right")
    table.add_column("over-\ndraft", justify="right")
    table.add_column("links: age of evidence / round trip")
    for index, row in enumerate(rows, start=1):
        numbers = row.numbers
        name = f"{index} {row.name}"
        state = Text(row.state, style=_STYLES[row.state])
        pid = "-" if row.pid is None else str(row.pid)
        if numbers is None:
            table.add_row(name, pid, state, "-", "-", "-", "-")
            continue
        table.add_row(
            name,
            pid,
            state,
            f"{numbers.sessions} / {numbers.sessions_known}",
            f"{numbers.grants_held} / {numbers.grants_lent}",
            str(numbers.overdraft),
            Text("\n").join(_link(link) for link in numbers.links),
        )
    return table


def plain_table(rows: Sequence[Row]) -> str:
    """Region, address and process id, for the start."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'region':{max(width, 6)}}  {'address':22}  pid"]
    lines += [f"{row.name:{max(width, 6)}}  {row.address:22}  {row.pid}" for row in rows]
    return "\n".join(lines)


def plain_line(row: Row) -> str:
    """One region in one line."""
    numbers = row.numbers
    if numbers is None:
        return f"{row.name} {row.state}" + (f" ({row.ending})" if row.ending else "")
    links = ", ".join(
        f"{link.peer} {link.state} ({_age(link.age_s)}, round trip {_trip(link.round_trip_s)})"
        for link in numbers.links
    )
    return (
        f"{row.name} {row.state}: sessions {numbers.sessions} here, "
        f"{numbers.sessions_known} known; grants {numbers.grants_held} held, "
        f"{numbers.grants_lent} lent; overdraft {numbers.overdraft}; links {links or 'none'}"
    )


def without_times(row: Row) -> Row:
    """The row as it must differ to be worth another line: ages and round trips always do."""
    if row.numbers is None:
        return row
    links = tuple(replace(link, age_s=None, round_trip_s=None) for link in row.numbers.links)
    return replace(row, numbers=replace(row.numbers, links=links))

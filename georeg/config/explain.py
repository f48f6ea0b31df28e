"""Reads `[explain]`: how much a region remembers of its decisions, and whether with names."""

from georeg.config.reader import Table
from georeg.region.decisions import Keeping

_WEEK_S = 7 * 86_400
_RECORDS_MAX = 10_000_000


def read_explain(top: Table) -> Keeping:
    """What is kept for `georeg explain`; the defaults without the table."""
    table = top.table("explain", "write it as [explain] with keep_s, records_max or names")
    usual = Keeping()
    keeping = Keeping(
        keep_s=table.whole(
            "keep_s", 60, _WEEK_S, "seconds, 60 to a week: for how long decisions are told",
            default=usual.keep_s,
        ),
        records_max=table.whole(
            "records_max", 0, _RECORDS_MAX,
            f"0 to {_RECORDS_MAX} decisions, of some 200 bytes each; 0: nothing is remembered",
            default=usual.records_max,
        ),
        names=table.flag(
            "names", "true: devices' names are remembered beside their ids", default=usual.names
        ),
    )  # fmt: skip
    table.finish()
    return keeping

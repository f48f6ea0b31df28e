"""Numbers, times and tables as they are printed."""

from io import StringIO

import pytest
from rich.console import Console

from georeg.cli.ops.tables import LEFT, Column, Line, plain, show, table
from georeg.cli.ops.words import duration, number, plural, seconds_of, trip


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (None, "-"), (0, "0s"), (0.012, "12ms"), (0.44, "0.4s"), (9.96, "10.0s"), (42.3, "42s"),
        (185, "3m 5s"), (3_600, "1h"), (7_500, "2h 5m"), (532_800, "6d 4h"), (86_400, "1d"),
    ],
)  # fmt: skip
def test_a_time_has_two_parts_at_most(time_s: float | None, text: str) -> None:
    assert duration(time_s) == text


def test_numbers_are_grouped_and_counted() -> None:
    assert (number(1204), number(None)) == ("1,204", "-")
    assert (plural(1, "stream"), plural(2_000, "stream")) == ("1 stream", "2,000 streams")
    assert (trip(0), trip(0.012)) == ("<1ms", "12ms")


@pytest.mark.parametrize(
    ("text", "time_s"), [("90", 90), ("90s", 90), ("10m", 600), ("2d", 172_800)]
)
def test_a_time_on_the_command_line_has_a_unit_or_is_seconds(text: str, time_s: int) -> None:
    assert seconds_of(text) == time_s


@pytest.mark.parametrize("text", ["", "m", "0", "-1s", "1.5h", "1w", "¼h"])
def test_what_is_no_time_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s"):
        seconds_of(text)


def test_columns_keep_to_their_side_and_lines_end_without_spaces() -> None:
    lines = table([Column("NAME", LEFT), Column("N")], [["a", "1"], ["longer", ""]])
    assert plain(lines) == "NAME    N\na       1\nlonger\n"


def test_a_pipe_gets_plain_text_and_a_terminal_the_same_with_colours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [Line("all is well", "green"), Line("x" * 300)]
    show(lines)
    assert capsys.readouterr().out == plain(lines)
    screen = StringIO()
    show(lines, Console(file=screen, force_terminal=True, color_system="standard", width=80))
    assert "\x1b[32mall is well" in screen.getvalue()
    assert "x" * 300 in screen.getvalue()

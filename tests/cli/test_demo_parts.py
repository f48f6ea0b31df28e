"""The demo's pure parts: what it plans, what it reads of a region, what it shows."""

import socket
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from crdt.dots import RegionId
from georeg.cli.demo.gauges import LinkNumbers, RegionNumbers, read_page
from georeg.cli.demo.plan import (
    OPS_PORT_OFFSET,
    PlanError,
    curl_example,
    make_plan,
    region_names,
    write_configs,
)
from georeg.cli.demo.view import Row, live_table, plain_line, plain_table, without_times
from georeg.cli.main import main
from georeg.config import load
from georeg.edge.metrics import EdgeMetrics
from georeg.edge.overload import Overload
from georeg.edge.render import Renderer
from georeg.region.model import PeerStatus, Status
from georeg.region.report import RegionReport, StatusReport
from georeg.region.settings import Settings
from georeg.region.shadow import Shadow

NAMES = {RegionId(1): "us", RegionId(2): "eu", RegionId(3): "ap"}
STATUS = Status(
    ready=True,
    incarnation=4,
    sessions=3,
    sessions_known=7,
    grants_held=2,
    grants_lent=5,
    overdraft=1,
    kicks_remembered=0,
    peers=(
        PeerStatus(RegionId(2), "up", 400, 12, 0),
        PeerStatus(RegionId(3), "down", None, None, 9),
    ),
)
NUMBERS = RegionNumbers(
    is_ready=True,
    sessions=3,
    sessions_known=7,
    grants_held=2,
    grants_lent=5,
    overdraft=1,
    links=(LinkNumbers("ap", "down", None, None), LinkNumbers("eu", "up", 0.4, 0.012)),
)


class QuietReport:
    """What it tells operators."""

    shadow = Shadow(SimpleNamespace(now_ms=lambda: 0))

    def status(self) -> StatusReport:
        own = RegionReport(
            region=RegionId(1), state="up", is_draining=False, sessions=3, vitals=None,
            vitals_age_ms=0, clock_ahead_ms=0, silent_ms=0, evidence_age_ms=0, round_trip_ms=0,
            events_behind=0, events_missing=0, missing_ms=0,
        )  # fmt: skip
        return StatusReport(RegionId(1), 0, (own,), {})


class QuietRegion:
    """What the metrics read of a region."""

    name = "us"
    settings = Settings()
    report = QuietReport()

    def status(self) -> Status:
        return STATUS


def shown(*rows: Row) -> str:
    drawn = StringIO()
    Console(width=120, file=drawn).print(live_table(rows, "hint"))
    return drawn.getvalue()


def test_the_numbers_of_a_region_are_read_from_the_page_that_its_edge_serves() -> None:
    page = EdgeMetrics(QuietRegion(), [], Renderer(NAMES), Overload()).page()
    assert read_page(page.decode()) == NUMBERS


def test_a_page_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError):
        read_page("<html>not metrics</html>\n{")


def test_the_table_shows_each_region_its_sessions_grants_overdraft_and_links() -> None:
    text = shown(Row("us", "http://127.0.0.1:7401", 4711, NUMBERS))
    for expected in ("1 us", "4711", "up", "3 / 7", "2 / 5", "eu 0.4 s / 12.0 ms", "ap down - / -"):
        assert expected in text


def test_a_region_that_does_not_answer_is_shown_as_down() -> None:
    assert "DOWN" in shown(Row("us", "", 4711, None))
    assert "DOWN" in shown(Row("us", "", None, NUMBERS))
    assert plain_line(Row("us", "", None, None)) == "us DOWN"


def test_a_region_that_takes_no_starts_yet_is_shown_as_starting() -> None:
    joining = RegionNumbers(False, 0, 0, 0, 0, 0, ())
    assert Row("us", "", 1, joining).state == "starting"


def test_how_a_region_has_ended_is_told_also_when_it_was_first_seen_not_to_answer() -> None:
    silent = Row("us", "", None, None)
    ended = Row("us", "", None, None, "killed by signal 9")
    assert without_times(silent) != without_times(ended)
    assert plain_line(ended) == "us DOWN (killed by signal 9)"


def test_a_plain_line_says_all_that_the_table_says() -> None:
    line = plain_line(Row("us", "", 1, NUMBERS))
    assert line == (
        "us up: sessions 3 here, 7 known; grants 2 held, 5 lent; overdraft 1; "
        "links ap down (-, round trip -), eu up (0.4 s, round trip 12.0 ms)"
    )


def test_a_row_whose_ages_alone_have_changed_is_the_same_row() -> None:
    later = RegionNumbers(True, 3, 7, 2, 5, 1, (NUMBERS.links[0], LinkNumbers("eu", "up", 0.9, 1)))
    row, other = Row("us", "", 1, NUMBERS), Row("us", "", 1, later)
    assert row != other
    assert without_times(row) == without_times(other)


def test_the_configs_of_the_demo_have_no_mistakes_and_share_their_keys(
    tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    plan = make_plan(["us", "eu", "ap"], _first_of_three(free_ports), tmp_path)
    write_configs(plan, heartbeat_s=2.0, lease_s=5.0)
    configs = [load(region.config_file) for region in plan]
    assert len({config.keys.session for config in configs}) == 1
    assert [config.number for config in configs] == [1, 2, 3]
    assert configs[0].edge.dev
    assert configs[0].settings.client_lease_ms == 5_000
    assert configs[0].edge.public_url == plan[0].address
    assert [peer.edge_url for peer in configs[0].peers] == [plan[1].address, plan[2].address]
    assert configs[0].peers[1].url == f"ws://127.0.0.1:{configs[2].mesh.port}"
    assert stat.S_IMODE(plan[0].config_file.stat().st_mode) == 0o600


def _first_of_three(free_ports: Callable[[int], list[int]]) -> int:
    """The first of three consecutive free ports."""
    while True:
        (port,) = free_ports(1)
        try:
            for other in (port + 1, port + 2, *(port + OPS_PORT_OFFSET + at for at in range(3))):
                socket.create_server(("127.0.0.1", other)).close()
        except OSError:
            continue
        return port


def test_a_port_that_is_taken_is_named_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--regions", "us", "--port", str(port)]) == 1
        assert f"port {port} is in use" in (printed := capsys.readouterr().err)
        assert f"sport = :{port}" in printed
        assert "georeg demo --port" in printed


@pytest.mark.parametrize("text", ["", "us,us", "us,,eu", "US", "a,b,c,d,e,f,g,h,i,j", "../x"])
def test_names_that_cannot_be_regions_are_refused(text: str) -> None:
    with pytest.raises(PlanError, match="--regions"):
        region_names(text)


def test_a_lease_below_two_heartbeats_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--heartbeat-s", "10", "--lease-s", "15"]) == 2
    assert "give at least 20, better 30" in capsys.readouterr().err


def test_the_start_shows_where_regions_are_and_what_to_paste(
    tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    (region,) = make_plan(["us"], free_ports(1)[0], tmp_path)
    table = plain_table([Row("us", region.address, 4711, None)])
    assert region.address in table
    assert "4711" in table
    assert curl_example(region).startswith(f"curl -s {region.address}/v1/accounts/anna/sessions")

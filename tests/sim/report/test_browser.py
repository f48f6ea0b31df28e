"""The page in a real browser: the scripts run without an error and draw what they should."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from region_sim.report import page
from tests.sim.report.evening import told

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome")
     if (found := shutil.which(name))), None,
)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
WATCH = """<script>
window.addEventListener("error", (event) => { document.title = "FAILED " + event.message; });
</script>"""


def opened(written: str, directory: Path, script: str = "") -> str:
    """The page's elements after its scripts have run, with one more script at the end."""
    file = directory / "page.html"
    written = written.replace("<style>", WATCH + "<style>", 1)
    file.write_text(written.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
         f"--user-data-dir={directory / 'profile'}", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_scripts_run_and_draw_the_messages(tmp_path: Path) -> None:
    dom = opened(page(told()), tmp_path)
    assert "<title>FAILED" not in dom
    assert 'data-ready="yes"' in dom
    assert re.search(r'<path d="M[^"]*" class="msg line0', dom)
    assert "call-text blamed" in dom


def test_marks_tell_their_details_and_links_lead_to_moments_and_stories(tmp_path: Path) -> None:
    script = """
    const mark = document.querySelector(".m.blamed");
    const box = mark.getBoundingClientRect();
    showTip(mark, box.right, box.bottom);
    document.querySelector("[data-story]").click();
    document.getElementById("windows").value = "0";
    document.getElementById("windows").dispatchEvent(new Event("change", { bubbles: true }));
    document.querySelector("[data-go='1']").click();
    document.querySelector("[data-at]").click();
    document.getElementById("at").value = "9999";
    document.getElementById("at").dispatchEvent(new Event("change", { bubbles: true }));
    const group = document.querySelector(".marks[tabindex]");
    group.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    """
    dom = opened(page(told()), tmp_path, script)
    assert "<title>FAILED" not in dom
    assert re.search(r'<div id="tip"[^>]*><b>', dom)
    assert "run report again with --around 9999" in dom


def test_a_run_without_faults_findings_or_messages_opens_too(tmp_path: Path) -> None:
    subject = told()
    history = subject.history
    history.frames, history.faults, history.probes, history.healed_us = [], [], [], 0
    subject.verdict.findings = []
    dom = opened(page(subject), tmp_path)
    assert "<title>FAILED" not in dom
    assert 'data-ready="yes"' in dom

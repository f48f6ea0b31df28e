"""The config file that the docs show is one that works."""

import re
from pathlib import Path

from tests.config.example import mistakes_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def shown_in_the_docs() -> str:
    """All that the page shows, which is one file."""
    return "".join(re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_the_config_in_the_docs_has_no_mistakes() -> None:
    assert mistakes_of(shown_in_the_docs()) == []


def test_the_lines_in_the_docs_that_are_switched_off_are_known_too() -> None:
    shown = shown_in_the_docs()
    switched_on = re.sub(r"^# (\w+ = )", r"\1", shown, flags=re.MULTILINE)
    assert switched_on != shown
    unknown = [m for m in mistakes_of(switched_on) if "not a known key" in m.message]
    assert unknown == []

"""The config file that the docs show is one that works."""

import re
from pathlib import Path

from tests.config.example import mistakes_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_config_in_the_docs_has_no_mistakes() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert mistakes_of(shown) == []


def test_the_lines_in_the_docs_that_are_switched_off_are_known_too() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    switched_on = re.sub(r"^# (\w+ = )", r"\1", shown, flags=re.MULTILINE)
    assert switched_on != shown
    unknown = [m for m in mistakes_of(switched_on) if "not a known key" in m.message]
    assert unknown == []

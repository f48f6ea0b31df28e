"""What a config says of the memory of decisions: bounds, defaults, and that names are asked for."""

import pytest

from georeg.region.decisions import Keeping
from tests.config.example import EXAMPLE, mistakes_of, read


def test_a_day_without_names_is_the_default() -> None:
    assert read(EXAMPLE).explain == Keeping(keep_s=86_400, records_max=100_000, names=False)


def test_what_is_kept_may_be_said() -> None:
    text = "\n[explain]\nkeep_s = 3600\nrecords_max = 0\nnames = true\n"
    assert read(EXAMPLE + text).explain == Keeping(3_600, 0, names=True)


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("keep_s = 5", "explain.keep_s", "5"),
        ("records_max = -1", "explain.records_max", "-1"),
        ('names = "yes"', "explain.names", "text"),
        ("file = 1", "explain.file", "not a known key"),
    ],
)
def test_each_mistake_is_told_at_its_key(line: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(f"{EXAMPLE}\n[explain]\n{line}\n")
    assert mistake.key == key
    assert message in mistake.message

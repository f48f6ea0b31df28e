"""What a config says of plans that are tried without effect."""

import pytest

from tests.config.example import EXAMPLE, mistakes_of, read


def test_nothing_is_tried_unless_the_file_says_so() -> None:
    assert read(EXAMPLE).shadow == {}


def test_a_plan_of_the_config_may_have_another_limit_in_the_shadow() -> None:
    assert read(EXAMPLE + "\n[shadow.plans.basic]\nlimit = 2\n").shadow == {"basic": 2}


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[shadow.plans.gold]\nlimit = 2", "shadow.plans.gold", "none of the plans"),
        ("[shadow.plans.basic]\nlimit = 0", "shadow.plans.basic.limit", "0"),
        ('[shadow.plans.basic]\nlimit = 1\nexcess = "end"', "shadow.plans.basic.excess", "known"),
        ("[shadow.basic]\nlimit = 1", "shadow.basic", "not a known key"),
    ],
)
def test_each_mistake_is_told_at_its_key(text: str, key: str, message: str) -> None:
    (mistake,) = mistakes_of(f"{EXAMPLE}\n{text}\n")
    assert mistake.key == key
    assert message in mistake.message

"""Keys of operators: one purpose, one person, and never stored as they are."""

from random import Random

import pytest

from georeg.edge.backends import BackendKeys, mint_backend_key
from georeg.edge.errors import SettingsError
from georeg.ops.keys import May, Operator, OperatorKey, OperatorKeys, mint_operator_key

KEY, HASH = mint_operator_key("ann", Random(1).randbytes)
KEYS = OperatorKeys([OperatorKey("ann", HASH, May.READ)])


def test_a_key_says_whose_it_is_and_what_it_is_good_for() -> None:
    assert KEYS.verify(KEY) == Operator("ann", May.READ)


@pytest.mark.parametrize("key", ["", "ann", "ann.", f"bob.{KEY[4:]}", KEY + "x", KEY[:-1], "änn.x"])
def test_whatever_else_is_nobodys_key(key: str) -> None:
    assert KEYS.verify(key) is None


def test_a_backends_key_is_no_operators_and_the_other_way_round() -> None:
    key, stored = mint_backend_key("ann", Random(1).randbytes)
    assert key == KEY  # the same secret
    assert stored != HASH
    assert OperatorKeys([OperatorKey("ann", stored, May.OPERATE)]).verify(key) is None
    assert BackendKeys({"ann": HASH}).verify(KEY) is None


def test_what_is_stored_must_be_a_hash() -> None:
    with pytest.raises(SettingsError):
        OperatorKeys([OperatorKey("ann", "secret", May.READ)])

"""Keys of operators: what a backend's key is, for people who look at and steer a region.

`read` sees everything, accounts and devices included; `operate` may also act. Invariant: a key for
one purpose is never one for the other, since what is stored of it is personalised.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from georeg.edge.backends import BackendKeys, mint_backend_key

OPERATOR: Final = b"georeg/ops/1"


class May(StrEnum):
    """What an operator's key is good for."""

    READ = "read"
    OPERATE = "operate"


class OperatorKey(NamedTuple):
    """One operator's key as the config stores it."""

    name: str
    hash: str
    may: May


class Operator(NamedTuple):
    """Somebody whose key was good."""

    name: str
    may: May


def mint_operator_key(name: str, token_bytes: Callable[[int], bytes]) -> tuple[str, str]:
    """A new key: (what the operator sends, what the config stores). Raises SettingsError."""
    return mint_backend_key(name, token_bytes, person=OPERATOR)


class OperatorKeys:
    """The operators of one region, by name."""

    def __init__(self, keys: Iterable[OperatorKey]) -> None:
        """Raises SettingsError when a stored hash is none."""
        listed = tuple(keys)
        self._may = {key.name: key.may for key in listed}
        self._keys = BackendKeys({key.name: key.hash for key in listed}, person=OPERATOR)

    def verify(self, key: str) -> Operator | None:
        """Whose key it is; None when it is nobody's."""
        name = self._keys.verify(key) if key.isascii() else None
        return None if name is None else Operator(name, self._may[name])

"""JSON that comes in, parsed strictly.

Why strict: a duplicate key, NaN or a number of a thousand digits means different things to
different parsers, and the one that checks must be the one that acts. Invariant: any bytes either
parse or raise Problem 422. The decoder is made once; making one costs as much as using it.
"""

import json
from typing import Final, NoReturn

from georeg.edge.problems import Problem, invalid


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are all different."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise invalid(("body", "must not repeat a field"))
    return members


def _refuse_constant(_name: str) -> NoReturn:
    """NaN and the infinities are not JSON."""
    raise ValueError


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def parse_json(body: bytes) -> object:
    """The value. Raises Problem 422."""
    try:
        value: object = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise invalid(("body", "must be UTF-8")) from None
    except Problem:
        raise
    except (ValueError, RecursionError):
        raise invalid(("body", "must be JSON")) from None
    return value

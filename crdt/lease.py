"""How long a lease lasts on the two clocks that time it.

The holder may use a lease for `lease_ms` on its clock, counted from the moment at which it *sent*
the request (rule 1 of the lease rules, listed in book.py). The home may reuse what it lent only
when the holder has surely stopped: it waits longer, on its own clock, counted from the moment at
which it *handled* the request (rule 2). No clock is ever compared with another one, so offsets do
not matter; only rates do.

Why this long: clocks run at 1 - drift to 1 + drift. The slowest holder needs
`lease / (1 - drift)` of true time; the fastest home counts `(1 + drift)` in each unit of it.
"""

from math import ceil, floor

from crdt.errors import LocalError

DRIFT_MAX = 0.5


def home_wait_ms(lease_ms: int, drift: float) -> int:
    """How long a home waits on its clock before it reuses what it lent for `lease_ms`.

    `drift` is the largest rate error of either clock (0.02 is 2 %). One millisecond more than the
    ratio says, because the home reads its clock twice and each reading drops a fraction.
    Raises LocalError unless lease_ms > 0 and 0 <= drift <= 0.5.
    """
    if lease_ms <= 0:
        raise LocalError(f"a lease must last at least 1 ms, not {lease_ms}")
    if not 0 <= drift <= DRIFT_MAX:
        raise LocalError(f"drift must be 0 to {DRIFT_MAX}, not {drift}")
    return ceil(lease_ms * (1 + drift) / (1 - drift)) + 1


def owner_wait_ms(ttl_ms: int, drift: float) -> int:
    """How long the owner of a lock may act on its clock, from the moment at which it *sent* its
    request, when the lock runs out `ttl_ms` after that on the clock of the service that keeps it.

    The other way round as `home_wait_ms`: here the one that stops early is the one that acts. One
    millisecond less than the ratio says, because the service counts whole ones. 0 or less: never.
    Raises LocalError unless ttl_ms > 0 and 0 <= drift <= 0.5.
    """
    if ttl_ms <= 0:
        raise LocalError(f"a lock must last at least 1 ms, not {ttl_ms}")
    if not 0 <= drift <= DRIFT_MAX:
        raise LocalError(f"drift must be 0 to {DRIFT_MAX}, not {drift}")
    return floor(ttl_ms * (1 - drift) / (1 + drift)) - 1

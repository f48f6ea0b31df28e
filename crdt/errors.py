"""Errors of `crdt`: who broke the rule decides the class (after h11).

`LocalError`: our own code misused a value; a bug. `PeerError`: bytes or claims from outside are
wrong; the message is refused and nothing has changed.
"""


class CrdtError(Exception):
    """Base of all errors of this package; never raised itself."""


class LocalError(CrdtError):
    """The caller broke a rule of this package."""


class PeerError(CrdtError):
    """What came from outside is malformed, out of bounds or contradicts what is known."""

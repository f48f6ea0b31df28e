"""Errors of `georeg.edge` that are not answers: see `problems.py` for what a caller is told.

`EdgeError` is the base. `SettingsError` means that the operator's settings cannot work; it is
raised before anything listens and its message says what to change. `TokenError` and
`EntitlementError` mean that bytes from outside are not what they claim to be; nothing has changed.
"""


class EdgeError(Exception):
    """Base of all errors of this package; never raised itself."""


class SettingsError(EdgeError):
    """The settings cannot work; the message says why and what to do."""


class TokenError(EdgeError):
    """Not a session token that a key of this cluster signed."""


class EntitlementError(EdgeError):
    """Not an entitlement that counts; the message says why, without repeating it."""


class KeysUnavailableError(EdgeError):
    """The key that would decide is not here and could not be fetched: nobody's fault but ours."""

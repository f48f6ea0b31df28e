"""What can go wrong with live mode itself; trouble of the regions is no error but a finding."""


class LiveError(Exception):
    """Live mode cannot be run here; the message says what is missing and how to get it."""

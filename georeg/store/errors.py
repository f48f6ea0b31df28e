"""Errors of the store. All are OSErrors: to the region, a disk that refused."""


class JournalError(OSError):
    """The journal cannot be read or written; what is in it is unchanged."""


class JournalDamaged(JournalError):
    """The file is no journal, or what is in it cannot be read."""


class JournalTooNew(JournalError):
    """The file was written by a newer georeg, with a schema that this one does not know."""

"""Errors of the store. All are OSErrors: to the region, a disk that refused."""


class JournalError(OSError):
    """The journal cannot be read or written; what is in it is unchanged."""


class JournalDamaged(JournalError):
    """The file is no journal any more, or what is in it is not what was written."""


class JournalForeign(JournalError):
    """The file is a database of another program."""


class JournalTooNew(JournalError):
    """The file was written by a newer georeg, with a schema that this one does not know."""

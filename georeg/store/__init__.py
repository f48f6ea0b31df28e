"""What a region keeps over a crash: its incarnation, kicks, plans; lazily, its own sessions."""

from georeg.store.errors import JournalDamaged, JournalError, JournalForeign, JournalTooNew
from georeg.store.journal import SqliteJournal
from georeg.store.no_journal import NoJournal

__all__ = [
    "JournalDamaged", "JournalError", "JournalForeign", "JournalTooNew", "NoJournal",
    "SqliteJournal",
]  # fmt: skip

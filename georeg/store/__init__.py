"""What a region keeps over a crash: its incarnation, kicks, plans."""

from georeg.store.errors import JournalDamaged, JournalError, JournalTooNew
from georeg.store.journal import SqliteJournal
from georeg.store.no_journal import NoJournal

__all__ = ["JournalDamaged", "JournalError", "JournalTooNew", "NoJournal", "SqliteJournal"]

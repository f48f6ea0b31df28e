"""A disk that refuses, told when it begins to and when it takes writes again: not each time."""

import structlog

log = structlog.get_logger("georeg.store")


class Trouble:
    """What one kind of writing meets."""

    def __init__(self, consequence: str) -> None:
        """`consequence`: what it means for the region while it lasts, for the log."""
        self._consequence = consequence
        self.error = ""
        """Why the last write was refused; empty: it was not."""

    def note(self, error: BaseException | None) -> None:
        """What became of a write."""
        if error is not None and not self.error:
            log.error("journal_refused", error=str(error), consequence=self._consequence)
        elif error is None and self.error:
            log.warning("journal_recovered", was=self.error)
        self.error = "" if error is None else str(error)

"""georeg's log lines during a run: errors go into the history, the rest nowhere."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from region_sim.history import History, LogLine
from region_sim.kernel.machine import Machine

DETAIL_LENGTH_MAX = 400


@contextmanager
def kept(history: History) -> Iterator[None]:
    """Within it an error that any region logs is written down."""

    def keep(_logger: object, method: str, event: Any) -> Any:
        if method in ("error", "critical", "exception"):
            machine = asyncio._get_running_loop()
            name = machine.name if isinstance(machine, Machine) else ""
            now_us = machine.scheduler.now_us if isinstance(machine, Machine) else 0
            what = str(event.pop("event", ""))
            detail = ", ".join(f"{key}={event[key]!r}" for key in sorted(event))
            history.logs.append(LogLine(now_us, name, what, detail[:DETAIL_LENGTH_MAX]))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        structlog.configure(**before)

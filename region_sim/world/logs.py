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
        machine = asyncio._get_running_loop()
        # What is said while no machine runs comes from processes that are dead and taken apart.
        if isinstance(machine, Machine) and method in ("error", "critical", "exception"):
            what = str(event.pop("event", ""))
            detail = ", ".join(f"{key}={event[key]!r}" for key in sorted(event))
            history.logs.append(
                LogLine(machine.scheduler.now_us, machine.name, what, detail[:DETAIL_LENGTH_MAX])
            )
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

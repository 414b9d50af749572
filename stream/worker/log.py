"""Logging: an event's name and its values, one line a batch and never one a reading."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from stream.worker.settings import Settings


def set_up(settings: Settings, file: TextIO | None = None) -> None:
    """Log to standard error, or to a file: JSON, or readable text on a terminal."""
    file = file or sys.stderr
    level = getattr(logging, settings.log.level.upper())
    form = settings.log.format
    readable = form == "console" or (form == "auto" and file.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=file.isatty())
        if readable
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=False,
    )
    # Faust and the clients log through the standard library: through the same form.
    handler = logging.StreamHandler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    # Their own news of each step helps nobody but their authors.
    logging.basicConfig(
        level=max(level, logging.WARNING), handlers=[handler], force=True
    )

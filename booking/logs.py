"""Logs: one JSON object a line, with no person in it."""

import logging
import sys

import structlog
from flask import Flask


def install(app: Flask) -> None:
    """Send our events to standard error; libraries may only complain."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    app.logger.setLevel(logging.CRITICAL)  # its tracebacks quote values; ours do not

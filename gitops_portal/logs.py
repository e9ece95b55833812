"""Logging: one JSON object a line, constant event names, ids, the request id; never secrets."""

from __future__ import annotations

from typing import Any

import structlog

from apps.core.context import request_id

LEVELS = ("DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")


def add_request_id(_logger: object, _method: str, event: Any) -> Any:
    """A structlog processor: every line names the request that caused it."""
    current = request_id.get()
    if current:
        event["request_id"] = current
    return event


def configuration(*, level: str) -> dict[str, Any]:
    """The ``LOGGING`` dictionary; structlog and the standard library share one formatter."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.processors.format_exc_info],
        "processor": structlog.processors.JSONRenderer(),
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "uvicorn": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "django.utils.autoreload": {"level": "WARNING"},
        },
    }

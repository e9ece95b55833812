"""The request id that log lines carry. Never the user: actors are passed explicitly."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")

"""The errors of the domain. They know nothing of HTTP; each delivery app maps them once.

A message says what happened, why, who can act and what to do next (UX §2.16).
"""

from __future__ import annotations

from typing import Any


class PortalError(Exception):
    """A refusal or a failure that a person can understand.

    ``code`` is a short constant for programs, ``message`` a sentence for people,
    ``details`` JSON-ready facts (never secrets, never file content).
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class NotVisible(PortalError):
    """The object does not exist, or this person may not know that it does."""


class NotAllowed(PortalError):
    """The person sees the object but may not do this to it."""


class Conflict(PortalError):
    """The world moved: a lost race, a stale revision, a moved target, a second request."""


class InvalidInput(PortalError):
    """The request cannot be understood; ``details['fields']`` maps a field to its problem."""

    def __init__(self, code: str, message: str, *, field: str = "", **details: Any) -> None:
        if field:
            details.setdefault("fields", {field: message})
        super().__init__(code, message, **details)


class TooLarge(InvalidInput):
    """What was asked for is more than one answer can hold; the message names another way to get it."""


class Unavailable(PortalError):
    """Something outside (a Git host, a tool) did not answer or refused us."""

"""What a handle and a team name may look like.

Handles stand in CODEOWNERS, rules and trailers, so they are plain ASCII: a Cyrillic "аlice"
must not pass for "alice".
"""

from __future__ import annotations

import re

from django.core.validators import RegexValidator

MAX_LENGTH = 64
_NOT_ALLOWED = re.compile(r"[^a-z0-9_.-]+")

validate_handle = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,63}\Z",
    "A handle has 1 to 64 lower-case letters, digits, dots, dashes or underscores, and starts with a letter or digit.",
    code="bad_handle",
)
validate_team_name = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,63}\Z",
    "A team name has 1 to 64 lower-case letters, digits, dots, dashes or underscores, and starts with a letter "
    "or digit.",
    code="bad_team_name",
)
VALIDATORS = [validate_handle]
"""For allauth's ``ACCOUNT_USERNAME_VALIDATORS``."""


def suggested_handle(text: str) -> str:
    """A legal handle made from ``text`` (a claim, a name), or the empty string when nothing is left."""
    local_part = text.strip().lower().partition("@")[0]
    return _NOT_ALLOWED.sub("-", local_part).strip("-._")[:MAX_LENGTH]

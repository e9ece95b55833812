"""What every page's frame shows: navigation and the look that this browser has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject

from apps.accounts.models import User
from apps.presentation.freezes import Notices, freeze_notices
from apps.presentation.keyboard import Keyboard
from apps.reviews.inbox import counts_of

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "diff": ("default", "cb"),
    "density": ("comfortable", "compact"),
    "keys": ("on", "off"),
    "layout": ("unified", "split"),
    "wrap": ("on", "off"),
    "tabs": ("4", "2", "8"),
}
"""Cookies that the server reads, the first value being the default. Anything else is ignored."""

_ENTRIES = (
    ("queue", "Queue", "queue", "go-queue"),
    ("inbox", "Inbox", "bell", ""),
    ("changes", "Changes", "changes", "go-changes"),
    ("deployments", "Deploys", "rocket", "go-deploys"),
    ("environments", "Environments", "environments", "go-environments"),
    ("calendar", "Calendar", "calendar", ""),
    ("timeline", "Timeline", "clock", "go-timeline"),
    ("repositories", "Repositories", "repository", ""),
    ("runbooks", "Runbooks", "book", ""),
    ("audit", "Audit", "audit", "go-audit"),
    ("teams", "Teams", "team", ""),
    ("settings", "Settings", "settings", ""),
)


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One line of the navigation; ``key`` is the id of the shortcut that goes there."""

    name: str
    title: str
    icon: str
    key: str
    url: str
    current: bool = False


@cache
def _existing() -> tuple[NavEntry, ...]:
    """The entries whose page exists, looked up once: URLs do not change while we run."""
    found = []
    for name, title, icon, key in _ENTRIES:
        try:
            url = reverse(f"web:{name}")
        except NoReverseMatch:
            continue
        found.append(NavEntry(name, title, icon, key, url))
    return tuple(found)


def navigation(path: str) -> list[NavEntry]:
    """The entries, with the one marked under which ``path`` lies."""
    return [
        NavEntry(entry.name, entry.title, entry.icon, entry.key, entry.url, current=path.startswith(entry.url))
        for entry in _existing()
    ]


def preferences(request: HttpRequest) -> dict[str, str]:
    """The chosen look, from cookies, so that the first byte already carries it (no flash)."""
    return {
        name: value if (value := request.COOKIES.get(name, "")) in allowed else allowed[0]
        for name, allowed in CHOICES.items()
    }


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``nav``, ``look``, ``here`` (this page's address, to come back to), ``counts``,
    ``shortcuts``, ``owner``, ``time_zone`` (whose times the page shows), ``freezes``.

    The counts (changes that need the person, unread rows of the inbox) are one query, and so are the freezes, made
    only when a template asks for them.
    """
    user = getattr(request, "user", None)  # a lazy object: isinstance sees the account behind it
    return {
        "nav": navigation(request.path),
        "look": preferences(request),
        "here": request.get_full_path(),
        "shortcuts": Keyboard(user, request.COOKIES.get("keys", "")),
        "counts": SimpleLazyObject(lambda: counts_of(user) if isinstance(user, User) else (0, 0)),
        "time_zone": timezone.get_current_timezone_name(),
        "freezes": SimpleLazyObject(lambda: freeze_notices(user) if isinstance(user, User) else Notices()),
        "owner": _owner(user) if isinstance(user, User) else "",
    }


def _owner(user: User) -> str:
    """Whose drafts a browser keeps: the same for a person in every session, and it tells nothing about them."""
    return salted_hmac("apps.presentation.context.owner", str(user.pk)).hexdigest()[:16]

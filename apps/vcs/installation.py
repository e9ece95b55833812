"""What the settings of this installation allow Git to do: whom to talk to, how long, how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from django.conf import settings

from apps.vcs import remotes
from apps.vcs.limits import DEFAULT_LIMITS, MIB, Limits


def reach() -> remotes.Reach:
    """What this installation may talk to, from its settings."""
    hosts = frozenset(settings.PORTAL_GIT_ALLOWED_HOSTS)
    return remotes.Reach(
        local_dirs=tuple(Path(folder) for folder in settings.PORTAL_LOCAL_REPOSITORY_DIRS),
        private_hosts=hosts,
        http_hosts=hosts if settings.PORTAL_GIT_PLAIN_HTTP else frozenset(),
        state_dir=Path(settings.PORTAL_DATA_DIR),
    )


def limits() -> Limits:
    """The limits of this installation (seconds and bytes)."""
    return replace(
        DEFAULT_LIMITS,
        fetch_seconds=float(settings.PORTAL_GIT_TIMEOUT),
        push_seconds=float(settings.PORTAL_GIT_TIMEOUT),
        probe_seconds=float(settings.PORTAL_GIT_PROBE_TIMEOUT),
        repository_bytes=int(settings.PORTAL_MIRROR_MAX_MB * MIB),
    )


def source(url: str, *, username: str = "", secret: str = "", ssh_key: str = "") -> remotes.Source:
    """A remote with clear-text credentials; ``InvalidInput url_refused`` when its address is not allowed."""
    allowed = reach()
    remotes.check_url(url, local_dirs=allowed.local_dirs, http_hosts=allowed.http_hosts)
    return remotes.Source(url=url, username=username, secret=secret, ssh_key=ssh_key, reach=allowed)

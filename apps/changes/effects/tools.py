"""What this portal renders with: the toolbox of its settings, and the key of its fingerprints."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from apps.core.secrets import derived_key
from apps.rendering.limits import Limits
from apps.rendering.redaction import Fingerprint, keyed
from apps.rendering.toolbox import Toolbox


@lru_cache(maxsize=1)
def toolbox() -> Toolbox:
    """Programs, limits and isolation as the settings have them."""
    return Toolbox(
        programs={name: Path(path) for name, path in settings.PORTAL_RENDER_PROGRAMS.items() if path},
        folders=(Path(settings.PORTAL_TOOLS_DIR),),
        limits=Limits(wall=settings.PORTAL_RENDER_SECONDS, cpu=int(settings.PORTAL_RENDER_SECONDS)),
        allow_unisolated=settings.PORTAL_RENDER_UNISOLATED,
        chart_cache=Path(settings.PORTAL_CHART_CACHE) if settings.PORTAL_CHART_CACHE else None,
    )


@lru_cache(maxsize=1)
def fingerprint() -> Fingerprint:
    """Equal secrets have equal fingerprints in this portal, in every environment, and in no other portal."""
    return keyed(derived_key("fingerprints/v1"))

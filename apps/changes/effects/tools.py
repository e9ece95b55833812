"""What this portal renders with: the toolbox of its settings, the key of its fingerprints, and what a repository calls secret."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from apps.changes.models import Revision
from apps.core.secrets import derived_key
from apps.policies.queries import BROKEN, policy_at
from apps.rendering.limits import Limits
from apps.rendering.model import Failure, RenderError
from apps.rendering.own_patterns import OwnPatterns
from apps.rendering.redaction import Fingerprint, keyed
from apps.rendering.toolbox import Toolbox
from apps.repositories.models import Repository


@lru_cache(maxsize=1)
def toolbox() -> Toolbox:
    """Programs, limits and isolation as the settings have them."""
    return Toolbox(
        programs={name: Path(path) for name, path in settings.PORTAL_RENDER_PROGRAMS.items() if path},
        folders=(Path(settings.PORTAL_TOOLS_DIR),),
        limits=Limits(wall=settings.PORTAL_RENDER_SECONDS, cpu=int(settings.PORTAL_RENDER_SECONDS)),
        allow_unisolated=settings.PORTAL_RENDER_UNISOLATED,
        checks=Path(settings.PORTAL_CHECKS_DIR),
        chart_cache=Path(settings.PORTAL_CHART_CACHE) if settings.PORTAL_CHART_CACHE else None,
    )


@lru_cache(maxsize=1)
def fingerprint() -> Fingerprint:
    """Equal secrets have equal fingerprints in this portal, in every environment, and in no other portal."""
    return keyed(derived_key("fingerprints/v1"))


def fingerprint_of(revision: Revision) -> Fingerprint:
    """With the patterns of the policy that governs the revision, which is that of its target branch."""
    return fingerprint_at(revision.change.repository, revision.target_branch, revision.target_oid)


def fingerprint_at(repository: Repository, branch: str, oid: str) -> Fingerprint:
    """With the patterns of the policy that governs ``branch`` at a commit.

    Raises ``REFUSED`` where that policy cannot be read and there was no earlier one: nobody then knows what is secret.
    """
    policy = policy_at(repository, branch, oid)
    if policy.governs == BROKEN:
        text = "portal.yaml of the target branch cannot be read, so what it calls secret is not known. Repair it first."
        raise RenderError(Failure.REFUSED, text)
    found = policy.config.secrets
    return fingerprint().knowing(
        OwnPatterns((key for one in found for key in one.keys), (value for one in found for value in one.values))
    )

"""Comparisons of environments that somebody asked for: rendered here, kept for a month."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog

from apps.changes.effects.between import Point, between
from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.sides import packed
from apps.changes.effects.tools import fingerprint
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.deployments.models import TargetComparison
from apps.deployments.queries.comparing import Compared, Side, hiding, targets_of
from apps.deployments.reasons import Older, Reasons, one_reason, reasons
from apps.rendering.comparing.codec import encode_difference
from apps.rendering.model import Difference, RenderError
from apps.rendering.redaction import Fingerprint, redact_text
from apps.vcs import history, objects

log = structlog.get_logger(__name__)
LEASE_SECONDS = 600
KEEP = timedelta(days=30)
State = TargetComparison.State


def comparisons_due(limit: int) -> Iterable[int]:
    """Those that wait, the oldest first."""
    rows = TargetComparison.objects.queued().order_by("pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def comparisons_over(limit: int) -> Iterable[int]:
    """Those whose month is over."""
    rows = TargetComparison.objects.filter(finished_at__lt=now() - KEEP)
    return list(rows.values_list("pk", flat=True)[:limit])


def forget_comparison(pk: int) -> None:
    """It is rendered again when somebody asks."""
    TargetComparison.objects.filter(pk=pk, finished_at__lt=now() - KEEP).delete()


def compare_target(pk: int) -> None:
    """Render both sides of one target, and say why they differ. Idempotent; a lost lease lets the result be forgotten."""
    fence = TargetComparison.objects.claim(pk, seconds=LEASE_SECONDS, state=State.QUEUED)
    if fence is None:
        return
    related = ("from_environment__repository", "to_environment__repository")
    row = TargetComparison.objects.select_related(*related).get(pk=pk)
    try:
        columns = _rendered(row)
    except RenderError as error:
        columns = _failed(redact_text(error.message, fingerprint()))
    except PortalError as error:
        columns = _failed(redact_text(error.message, fingerprint()))
    except Exception as error:  # noqa: BLE001 - told on the page and in the log, without the words of the error
        columns = _failed(_defect(pk, error))
    wanted = TargetComparison.objects.filter(pk=pk, fence=fence, state=State.QUEUED)
    wanted.update(finished_at=now(), lease_until=None, **columns)


def _defect(pk: int, error: Exception) -> str:
    """Neither page nor log has the words of the error, or its values: they can be those of a repository."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("comparison_failed", comparison=pk, error=type(error).__name__, frames=frames)
    return f"The portal itself failed here ({type(error).__name__}). Its log has more; ask again later."


def _failed(message: str) -> dict[str, Any]:
    return {"state": State.FAILED, "message": message[:4000], "document": None}


def _rendered(row: TargetComparison) -> dict[str, Any]:
    start = Side(row.from_environment, None, None, row.from_commit)
    end = Side(row.to_environment, None, None, row.to_commit)
    compared = Compared(start, end)
    hide = hiding(compared)
    difference = between(_point(start, row.target), _point(end, row.target), hide)
    found = _reasons(compared, row.target, difference, hide)
    document = {
        "difference": encode_difference(difference),
        "reasons": [[one.resource, list(one.fields)] for one in found],
    }
    return {"state": State.RENDERED, "message": "", "document": packed(document)}


def _point(side: Side, target: str) -> Point:
    git_dir = side.environment.repository.mirror_path
    tree = objects.commit_tree_oid(git_dir, side.commit)
    return Point(GitTree(git_dir, tree), targets_of(side).get(target))


def _reasons(compared: Compared, target: str, difference: Difference, hide: Fingerprint) -> tuple[Reasons, ...]:
    """Told by what both environments are at one commit: the newer one."""
    start, end = compared.start, compared.end
    if compared.relation == "same_environment":
        return one_reason(difference, "deployed")
    if compared.relation == "other_repository":
        return one_reason(difference, "unknown")
    if start.commit == end.commit:
        return one_reason(difference, "overlay")
    git_dir = start.environment.repository.mirror_path
    older: Older = "from" if history.is_ancestor(git_dir, start.commit, end.commit) else "to"
    newer = end.commit if older == "from" else start.commit
    sides = [Side(one.environment, None, None, newer) for one in (start, end)]
    overlay = between(_point(sides[0], target), _point(sides[1], target), hide)
    return reasons(difference, overlay, older=older)

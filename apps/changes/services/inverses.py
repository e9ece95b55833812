"""How a change would be undone, computed before anybody asks: when its effect is known, and when its branch has moved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.irreversible import irreversible_in
from apps.changes.effects.outcomes import outcome_of
from apps.changes.effects.reading import Effects, effects_of
from apps.changes.effects.targets import Sides, rendered_target
from apps.changes.effects.tools import fingerprint_of
from apps.changes.lifecycle import Status
from apps.changes.models import Inverse, Rendering, Revision
from apps.changes.transitions import announce
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.rendering.model import Kind, RenderError
from apps.rendering.planners import PLANNERS
from apps.rendering.redaction import redact_text
from apps.vcs import merging, objects, refs, trees
from apps.vcs.paths import display

log = structlog.get_logger(__name__)
State = Inverse.State
INVERT = "changes.compute_inverse"
SHOWN = 20
PLANNED = "It is planned against what runs, so how it goes back can be planned only when the change is there."
MOVED = "The branch moved since the change was merged; it is rendered when the roll-back is asked for."


def compute_inverse(revision_id: int) -> None:
    """Compute the inverse of a revision on its target branch as it is now, and keep it. Idempotent.

    While the change is not merged, that is its merge result with the change taken out of it again. Nothing is written to the
    branch; two workers that do it at the same time come to the same.
    """
    revision = Revision.objects.select_related("change__repository").get(pk=revision_id)
    if not revision.result_tree:
        return
    effects = effects_of(revision)
    read_back = irreversible_in(effects)
    columns: dict[str, Any] = {
        "parts": [[part.target, part.resource, part.text] for part in read_back.parts],
        "unknown": list(read_back.unknown),
        **_computed(revision, effects),
    }
    columns["digest"] = _digest(columns)
    with transaction.atomic():
        row, is_new = Inverse.objects.get_or_create(revision=revision, defaults={**columns, "computed_at": now()})
        if not is_new:
            was = row.digest
            Inverse.objects.filter(pk=row.pk).update(**columns, computed_at=now())
            is_new = was != columns["digest"]
        if is_new:
            announce(revision.change)


def forget_inverse(revision_id: int) -> None:
    """What was rendered is another effect now: its inverse is computed anew."""
    Inverse.objects.filter(revision=revision_id).delete()


def _computed(revision: Revision, effects: Effects) -> dict[str, Any]:
    blank: dict[str, Any] = {
        "tip": "", "before_tree": "", "result_tree": "", "subject": "", "files": 0,
        "conflicts": [], "effects": {}, "untold": [], "message": "",
    }  # fmt: skip
    git_dir = revision.change.repository.mirror_path
    is_merged = revision.change.status in {Status.MERGED, Status.DONE}
    tip = refs.branch_tip(git_dir, revision.target_branch) if is_merged else revision.target_oid
    if tip is None:
        return {**blank, "state": State.FAILED, "message": f"The branch {revision.target_branch} is gone."}
    try:
        present = objects.commit_tree_oid(git_dir, tip) if is_merged else revision.result_tree
        undone = _undone(git_dir, revision, present)
        told = _told(git_dir, revision, effects, undone) if undone["state"] == State.POSSIBLE else {}
    except PortalError as problem:
        log.info("inverse_not_computed", revision=revision.pk, code=problem.code)
        return {**blank, "tip": tip, "state": State.FAILED, "message": problem.message[:500]}
    return {**blank, "tip": tip, **undone, **told}


def _undone(git_dir: Path, revision: Revision, present: str) -> dict[str, Any]:
    """The three-way merge of trees that takes the change out of ``present``, and leaves what came later."""
    before = objects.commit_tree_oid(git_dir, revision.target_oid)
    result = merging.merge_trees(git_dir, revision.result_tree, present, before)
    columns: dict[str, Any] = {"before_tree": present}
    if result.tree is None:
        return {**columns, "state": State.CONFLICT, "conflicts": [display(path) for path in result.conflicts][:SHOWN]}
    if result.tree == present:
        return {**columns, "state": State.NOTHING}
    changes = trees.diff_trees(git_dir, present, result.tree)
    subject = trees.effect_digest(changes)
    return {
        **columns, "state": State.POSSIBLE, "result_tree": result.tree, "subject": subject, "files": len(changes),
    }  # fmt: skip


def _told(git_dir: Path, revision: Revision, effects: Effects, undone: dict[str, Any]) -> dict[str, Any]:
    """The effect on every target that gates ask for, from the sides that were rendered for the change itself."""
    digests: dict[str, str] = {}
    untold: list[list[str]] = []
    sides = Sides(GitTree(git_dir, undone["before_tree"]), GitTree(git_dir, undone["result_tree"]))
    is_moved = undone["before_tree"] != revision.result_tree
    for row in effects.binding:
        why = _why_untold(row, is_moved=is_moved)
        if not why:
            try:
                digests[row.label] = outcome_of(rendered_target(row), sides, fingerprint_of(revision)).digest
            except RenderError as error:
                why = redact_text(error.message, fingerprint_of(revision))[:300]
        if why:
            untold.append([row.label, why])
    return {"effects": digests, "untold": untold}


def _why_untold(row: Rendering, *, is_moved: bool) -> str:
    """Why the inverse of a target is not rendered now; empty: it is."""
    if Kind(row.kind) in PLANNERS or row.planned_by != Rendering.Planner.HERE:
        return PLANNED
    if row.state != Rendering.State.RENDERED:
        return "The effect of the change itself is not known there."
    return MOVED if is_moved else ""


def _digest(columns: dict[str, Any]) -> str:
    """SHA-256 of everything that is shown, whatever the tip is called."""
    told = {name: value for name, value in columns.items() if name != "tip"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

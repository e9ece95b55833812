"""Writing a change that adopts drift: edits that are proven, pushed as a branch, proposed as any other.

The commit is written down before it is pushed, and each adoption has a branch of its own: killed anywhere, the next run
goes on with the same commit, and makes no second change.
"""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.db import OperationalError, transaction

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.tools import fingerprint_at
from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.clock import now
from apps.core.errors import Conflict, PortalError
from apps.deployments import messages
from apps.deployments.jobs.adopted_files import Edits, Ground, Left, edits_of
from apps.deployments.jobs.adopted_words import text_of, title_of
from apps.deployments.jobs.defects import defect_words
from apps.deployments.models import DriftAdoption
from apps.deployments.queries.drift import Open, to_adopt
from apps.deployments.services.drifting import require_current
from apps.deployments.signals import environment_changed
from apps.deployments.transitions import LeaseLost, redraw_alerts
from apps.policies.queries import policy_at
from apps.rendering.model import RenderError
from apps.repositories import access as repositories
from apps.repositories import mirrors
from apps.repositories.queries import tip
from apps.repositories.services import expect_no_push, expect_push, note_push
from apps.vcs import editing, installation, objects, remotes
from apps.vcs.history import Signature

MARGIN_SECONDS = 300
RELATED = ("environment__repository", "environment__live_deployment__change", "asked_by")


def adoptions_due(limit: int) -> list[int]:
    """Those that somebody asked for; nobody is at work on them."""
    return list(DriftAdoption.objects.open().unleased().order_by("pk").values_list("pk", flat=True)[:limit])


def adopt(pk: int) -> None:
    """Write one adoption and propose it. It ends with a change, or with the words why there is none, whatever failed."""
    fence = DriftAdoption.objects.claim(pk, seconds=_seconds(), ended_at=None)
    if fence is None:
        return
    row = DriftAdoption.objects.select_related(*RELATED).get(pk=pk)
    with suppress(LeaseLost):
        _carry_out(row, fence)


def _carry_out(row: DriftAdoption, fence: int) -> None:
    try:
        if not row.text:
            _write_down(row, fence)
        _propose(row, fence)
    except (LeaseLost, OperationalError):
        raise  # it is somebody else's, or the database was not there: the next worker goes on when it is
    except (PortalError, RenderError) as problem:
        _end(row, fence, problem=problem.message[:1000])
    except Exception as error:  # noqa: BLE001 - told on the page and in the log, without the words of the error
        _end(row, fence, problem=defect_words("drift_adoption_failed", row.pk, error))


def _seconds() -> float:
    return float(4 * settings.PORTAL_RENDER_SECONDS + MARGIN_SECONDS)


def _write_down(row: DriftAdoption, fence: int) -> None:
    """Everything that the change will be made of. What was found may be old by now, though it was not when somebody asked."""
    require_current(row.environment)
    found, live = to_adopt(row.environment), row.environment.live_deployment
    if not found or live is None:
        raise Conflict("nothing_drifted", "Nothing was left to adopt when the portal came to it.")
    row.target_branch = live.change.target_branch
    head = tip(row.environment.repository, row.target_branch)
    edits = _edits(row, fence, found, head)
    row.title = title_of(row.environment, edits)
    row.text = text_of(row.environment, [check for check, _ in found], edits)
    row.commit = _commit(row, head, edits) if edits.files else ""
    row.marks = sorted(one["mark"] for _, findings in found for one in findings)
    columns = {name: getattr(row, name) for name in ("target_branch", "title", "text", "commit", "marks")}
    if not DriftAdoption.objects.filter(pk=row.pk, fence=fence, ended_at=None).update(**columns):
        raise LeaseLost


def _edits(row: DriftAdoption, fence: int, found: Open, head: str) -> Edits:
    repository = row.environment.repository
    allowed = repositories.can_write(row.asked_by, repository)
    if not allowed.allowed:
        return _all_left(found, f"{row.asked_by.username} may not write changes here")

    def go_on() -> None:
        if not DriftAdoption.objects.renew(row.pk, fence=fence, seconds=_seconds()):
            raise LeaseLost

    try:
        hide = fingerprint_at(repository, row.target_branch, head)
        tree = GitTree(repository.mirror_path, objects.commit_tree_oid(repository.mirror_path, head))
    except RenderError as problem:
        return _all_left(found, problem.message)
    config = policy_at(repository, row.target_branch, head).config
    ground = Ground(tree, config, row.environment.name, hide)
    return edits_of(ground, {check.target: findings for check, findings in found}, go_on)


def _all_left(found: Open, why: str) -> Edits:
    return Edits(left=[Left(one, why) for _, findings in found for one in findings])


def _commit(row: DriftAdoption, head: str, edits: Edits) -> str:
    return editing.commit_edits(
        row.environment.repository.mirror_path,
        parent=head,
        files=edits.files,
        message=messages.adopt_drift_message(row.environment, asked_by=row.asked_by),
        author=messages.signature_of(row.asked_by, row.asked_at),
        committer=Signature(messages.PORTAL_NAME, messages.PORTAL_EMAIL, row.asked_at),
    )


def _propose(row: DriftAdoption, fence: int) -> None:
    refusal = _push(row) if row.commit else ""
    if row.commit and not refusal:
        made = ChangeRequest.objects.filter(repository=row.environment.repository, source_branch=row.branch).first()
        _end(row, fence, change=made or _change(row, row.text, row.branch))
        return
    text = f"What the portal wrote could not be pushed, so it is not in this change: {refusal}\n\n" if refusal else ""
    with transaction.atomic():
        _end(row, fence, change=_change(row, text + row.text))


def _push(row: DriftAdoption) -> str:
    """Why the branch is not there; empty: it is. Pushing it a second time changes nothing."""
    repository = row.environment.repository
    repositories.require_write(row.asked_by, repository)
    expect_push(repository, branch=row.branch, oid=row.commit)
    try:
        outcome = remotes.push_with_lease(
            mirrors.source_of(repository), repository.mirror_path,
            ref=f"refs/heads/{row.branch}", new=row.commit, old=None, limits=installation.limits(),
        )  # fmt: skip
    except PortalError as problem:
        return problem.message
    if not outcome.is_accepted:
        expect_no_push(repository, branch=row.branch, oid=row.commit)
        return outcome.message or "the Git host gave no reason"
    note_push(repository, branch=row.branch, old="", new=row.commit, pusher=row.asked_by)
    return ""


def _change(row: DriftAdoption, text: str, branch: str = "") -> ChangeRequest:
    return create_change(
        row.asked_by,
        repository=row.environment.repository,
        title=row.title,
        description=text,
        source_branch=branch,
        target_branch=row.target_branch,
    )


def _end(row: DriftAdoption, fence: int, *, change: ChangeRequest | None = None, problem: str = "") -> None:
    mine = DriftAdoption.objects.filter(pk=row.pk, fence=fence, ended_at=None)
    if not mine.update(change=change, problem=problem, ended_at=now(), lease_until=None):
        raise LeaseLost
    redraw_alerts(row.environment)
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=row.environment_id))

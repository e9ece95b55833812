"""Taking suggestions: one commit on the source branch, and with it a new revision.

The way of it, so that nothing is lost and nothing happens twice: the row of the commit is written before the push
(one at a time for a change), the push holds a lease on the head that the person saw, and what came of it is recorded
afterwards. Killed in between, :func:`settle_suggestions` finds out from the branch which of the two it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import contributions
from apps.changes.lifecycle import FOLLOWS_GIT, words
from apps.changes.models import ChangeRequest, Contribution, Revision
from apps.changes.services import follow_branches
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PortalError, Unavailable
from apps.repositories import mirrors
from apps.repositories.services import expect_no_push, expect_push, note_push
from apps.reviews import access
from apps.reviews.models import Comment, SuggestionCommit
from apps.reviews.suggested_edits import edited_files
from apps.reviews.suggestions import suggested_lines
from apps.reviews.transitions import mark_stale
from apps.vcs import editing, history, installation, remotes
from apps.vcs.history import Signature

MAX_BATCH = 100
PATIENCE = timedelta(minutes=3)
"""A push that nobody recorded for so long was made by a process that is gone."""

State = SuggestionCommit.State


@dataclass(frozen=True, slots=True)
class _Prepared:
    commit: str
    head: str
    branch: str
    suggesters: tuple[User, ...]


def apply_suggestions(
    actor: User, *, change: ChangeRequest, comments: Sequence[int], revision: int
) -> SuggestionCommit:
    """Make one commit of the suggestions in ``comments`` (their keys), on the head of revision number ``revision``.

    Guarantees: the commit is pushed only if the branch still is at that head (:class:`Conflict` ``stale_revision``
    or ``moved_head`` otherwise, and every suggestion can still be applied); two that touch the same lines are refused
    by name; modes, line ends and bytes of everything else stay. Suggesters and ``actor`` are contributors from then on.
    """
    access.can_apply(actor, change).require_or_conflict()
    chosen = _chosen(change, comments)
    prepared = _prepare(actor, change, chosen, revision)
    row = _announce(actor, change, prepared, chosen, revision)
    try:
        refusal = _push(row)
    except PortalError as error:
        # After a time-out nobody knows yet whether it arrived: the job asks the branch when that is certain.
        if error.code != "git_timeout":
            _settle_one(row)
        raise
    if refusal is not None:
        _fail(row)
        raise refusal
    _finish(row)
    return row


def _chosen(change: ChangeRequest, keys: Iterable[int]) -> list[Comment]:
    wanted = list(dict.fromkeys(keys))
    if not wanted or len(wanted) > MAX_BATCH:
        raise InvalidInput("no_suggestion", f"Choose between 1 and {MAX_BATCH} suggestions.", field="comment")
    rows = Comment.objects.filter(thread__change=change, pk__in=wanted)
    found = list(rows.select_related("author", "thread__revision", "application").order_by("pk"))
    if len(found) != len(wanted) or any(suggested_lines(row.body) is None for row in found):
        raise InvalidInput("no_suggestion", f"{change.label} has no such suggestion.", field="comment")
    for row in found:
        _require_free(row)
    return found


def _require_free(comment: Comment) -> None:
    if comment.application is not None and comment.application.state != State.FAILED:
        how = "is being applied" if comment.application.state == State.PENDING else "was applied"
        raise Conflict(
            "already_applied",
            f"The suggestion of {comment.author.username} in thread {comment.thread.number} {how} already.",
        )


def _require_head(change: ChangeRequest, number: int) -> Revision:
    current = change.revision
    if change.status not in FOLLOWS_GIT or current is None:
        raise Conflict("wrong_state", f"{change.label} is {words(change.status)}; nothing can be applied to it now.")
    if not change.source_branch or change.source_deleted_at is not None:
        raise Conflict(
            "no_branch", f"{change.label} has no source branch that a suggestion could be written to. Push it again."
        )
    if current.number != number:
        raise Conflict(
            "stale_revision",
            f"{change.label} is now at {current.label}; you looked at r{number}. Look at the suggestions again: "
            "none was applied, and all are still there.",
            current=current.number,
            seen=number,
        )
    return current


def _prepare(actor: User, change: ChangeRequest, chosen: Sequence[Comment], number: int) -> _Prepared:
    current = _require_head(change, number)
    git_dir = change.repository.mirror_path
    files = edited_files(git_dir, current.head_oid, chosen)
    suggesters = tuple({row.author_id: row.author for row in chosen}.values())
    moment = now()
    commit = editing.commit_edits(
        git_dir,
        parent=current.head_oid,
        files=files,
        message=_message(actor, change, chosen, suggesters),
        author=signature_of(suggesters[0], moment),
        committer=signature_of(actor, moment),
    )
    return _Prepared(commit, current.head_oid, change.source_branch, suggesters)


def signature_of(user: User, at: object) -> Signature:
    """``user`` as a person of a commit; a name cannot forge a trailer."""
    name = " ".join(user.shown_name.replace("<", "").replace(">", "").split())
    return Signature(name, user.email.strip() or f"{user.username}@users.noreply.localhost", at)  # type: ignore[arg-type]


def _message(actor: User, change: ChangeRequest, chosen: Sequence[Comment], suggesters: Sequence[User]) -> str:
    count = len(chosen)
    subject = "Apply a suggestion" if count == 1 else f"Apply {count} suggestions"
    numbers = ", ".join(str(number) for number in sorted({row.thread.number for row in chosen}))
    others = [user for user in (*suggesters[1:], actor) if user.pk != suggesters[0].pk]
    people = [signature_of(user, now()) for user in dict.fromkeys(others)]
    trailers = [f"Change-Request: {change.label}", *(f"Co-authored-by: {who.name} <{who.email}>" for who in people)]
    return f"{subject} from the review of {change.label}\n\nThread {numbers}.\n\n" + "\n".join(trailers) + "\n"


def _announce(
    actor: User, change: ChangeRequest, prepared: _Prepared, chosen: Sequence[Comment], number: int
) -> SuggestionCommit:
    """The row before the push. Judged again under the lock: of two who apply at once one gets a conflict."""
    expect_push(change.repository, branch=prepared.branch, oid=prepared.commit)
    busy = Conflict("already_applying", f"Suggestions are being applied to {change.label} right now. Reload the page.")
    try:
        with transaction.atomic():
            locked = lock_change(change)
            access.can_apply(actor, locked).require_or_conflict()
            _require_head(locked, number)
            for row in Comment.objects.filter(pk__in=[one.pk for one in chosen]).select_related(
                "author", "thread", "application"
            ):
                _require_free(row)
            made = SuggestionCommit.objects.create(
                change=locked,
                branch=prepared.branch,
                parent=prepared.head,
                commit=prepared.commit,
                actor=actor,
                created_at=now(),
            )
            made.suggesters.set(prepared.suggesters)
            Comment.objects.filter(pk__in=[one.pk for one in chosen]).update(application=made)
    except IntegrityError as error:
        raise busy from error
    return made


def _push(row: SuggestionCommit) -> Conflict | Unavailable | None:
    """Push with the lease: ``None`` when it arrived, otherwise why not."""
    repository = row.change.repository
    outcome = remotes.push_with_lease(
        mirrors.source_of(repository),
        repository.mirror_path,
        ref=f"refs/heads/{row.branch}",
        new=row.commit,
        old=row.parent,
        limits=installation.limits(),
    )
    if outcome.is_accepted:
        return None
    expect_no_push(repository, branch=row.branch, oid=row.commit)
    if outcome.status == "moved":
        return Conflict(
            "moved_head",
            f"Somebody pushed to {row.branch} at this moment, so nothing was applied. Look at the new revision; "
            "every suggestion is still there.",
        )
    return Unavailable("push_refused", f"The Git host refused the commit: {outcome.message or 'no reason given'}")


def _finish(row: SuggestionCommit) -> None:
    """It is on the branch: contributors, the audit entry and the branch in one transaction, then the revision."""
    change = row.change
    with transaction.atomic():
        lock_change(change)
        won = SuggestionCommit.objects.filter(pk=row.pk, state=State.PENDING).update(
            state=State.APPLIED, ended_at=now()
        )
        if not won:
            return
        number = change.revision.number + 1 if change.revision else 1
        names = []
        for user in [*row.suggesters.all(), row.actor]:
            contributions.add_account(change, user, Contribution.How.SUGGESTED, revision=number)
            names.append(user.username)
        note_push(change.repository, branch=row.branch, old=row.parent, new=row.commit, pusher=row.actor)
        audit.record(
            Actor.of(row.actor),
            "suggestion.applied",
            repository=change.repository.name,
            change=change.number,
            target=row.commit[:12],
            summary=f"{row.actor.username} applied suggestions to {change.label} as {row.commit[:12]}",
            data={"commit": row.commit, "parent": row.parent, "comments": _keys(row), "contributors": names},
        )
        mark_stale(change)
    row.state = str(State.APPLIED)
    follow_branches(change.pk)


def _keys(row: SuggestionCommit) -> list[int]:
    return list(row.comments.order_by("pk").values_list("pk", flat=True))


def _fail(row: SuggestionCommit) -> None:
    """It is not on the branch and will not be: its suggestions can be applied again."""
    with transaction.atomic():
        if SuggestionCommit.objects.filter(pk=row.pk, state=State.PENDING).update(state=State.FAILED, ended_at=now()):
            audit.record(
                Actor.of(row.actor),
                "suggestion.failed",
                repository=row.change.repository.name,
                change=row.change.number,
                target=row.commit[:12],
                summary=f"Suggestions for {row.change.label} were not applied: {row.branch} is elsewhere",
                data={"commit": row.commit, "parent": row.parent},
            )


def unsettled_suggestions(limit: int) -> list[int]:
    """Commits of which nobody recorded whether they arrived."""
    rows = SuggestionCommit.objects.filter(state=State.PENDING, created_at__lt=now() - PATIENCE)
    return list(rows.values_list("pk", flat=True)[:limit])


def settle_suggestions(pk: int) -> None:
    """Look at the branch and record what became of one commit; a host that does not answer is asked again later."""
    row = SuggestionCommit.objects.select_related("change__repository", "change__revision", "actor").get(pk=pk)
    _settle_one(row)


def _settle_one(row: SuggestionCommit) -> None:
    repository = row.change.repository
    try:
        tip = remotes.remote_tip(
            mirrors.source_of(repository), f"refs/heads/{row.branch}", limits=installation.limits()
        )
        if tip and tip not in {row.commit, row.parent}:
            mirrors.refresh(repository)
        arrived = tip == row.commit or bool(
            tip and tip != row.parent and history.is_ancestor(repository.mirror_path, row.commit, tip)
        )
    except PortalError:
        return
    if arrived:
        _finish(row)
    else:
        _fail(row)

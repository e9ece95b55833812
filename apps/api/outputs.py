"""Shapes of answers, as the schema publishes them; :mod:`apps.api.answers` writes them, a test compares the two."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.serializers import Serializer

from apps.accounts.models import Kind
from apps.api.fields import maybe_moment, maybe_number, maybe_text, moment, string, texts, whole, word
from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.models import ChangeRequest, Revision
from apps.deployments.lifecycle import Status as DeploymentStatus
from apps.deployments.models import Deployment, DeploymentEvent
from apps.reviews.models import Assignment, Review, SuggestionCommit, Thread

Out = Serializer[Any]


@cache
def page_of(shape: type[Out]) -> Out:
    """``{"results": […], "next": address of the following page or null}``."""
    fields = {
        "results": shape(many=True),
        "next": serializers.URLField(allow_null=True, help_text="The following page; null on the last one."),
    }
    return inline_serializer(shape.__name__.removesuffix("Out") + "Page", fields=fields)


class UserOut(Out):
    username = string()
    display_name = string(allow_blank=True)
    kind = word(Kind)
    sponsor = maybe_text("Who answers for a service account.")
    active = serializers.BooleanField()


class MeOut(UserOut):
    email = string(allow_blank=True)
    administrator = serializers.BooleanField()
    can_connect_repositories = serializers.BooleanField()
    time_zone = string(allow_blank=True)
    teams = texts()
    scopes = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="What the token may do; null for a session."
    )


class ShortcutOut(Out):
    id = string()
    keys = string(allow_blank=True, help_text="As browsers name them: n, N (Shift+N), g q (one after the other).")
    default = string()
    text = string()
    group = string()
    fixed = serializers.BooleanField(help_text="Whether it can neither be moved nor switched off.")


class KeyboardOut(Out):
    is_on = serializers.BooleanField()
    shortcuts = ShortcutOut(many=True)


class TeamOut(Out):
    name = string()
    title = string(allow_blank=True)
    description = string(allow_blank=True)
    external_group = string(allow_blank=True, help_text="The group of the identity provider that it stands for.")
    members = texts()


class TokenOut(Out):
    id = whole()
    name = string()
    prefix = string()
    scopes = texts()
    expires_at = maybe_moment()
    last_used_at = maybe_moment()
    revoked_at = maybe_moment()


class NewTokenOut(TokenOut):
    token = maybe_text("The secret, in this answer only; null when the call is repeated with its Idempotency-Key.")


class RuleOut(Out):
    name = string(allow_blank=True)
    file = string(allow_blank=True)
    line = whole()


class StandingOut(Out):
    """Whether one review counts, and why not."""

    person = whole()
    username = string()
    revision = whole()
    verdict = string()
    counts = serializers.BooleanField()
    code = string(allow_blank=True)
    text = string(allow_blank=True)
    review = whole(help_text="Its id; 0 of a verdict that was stored before reviews were named.")
    unseen = texts("Parts that a rule wants to have been viewed and were not.")


class RequirementOut(Out):
    code = string()
    name = string()
    state = word(("met", "waiting", "failed", "not_needed"))
    text = string(allow_blank=True)
    evidence = texts()
    who_can_act = texts()
    rule = RuleOut(allow_null=True)
    have = whole()
    needed = whole()
    action = serializers.CharField(allow_blank=True)
    not_counted = StandingOut(many=True)


class ReasonOut(Out):
    code = string()
    text = string()


class VerdictOut(Out):
    """Whether the change may be merged now, and what is missing: the words of the page."""

    allowed = serializers.BooleanField()
    summary = string(allow_blank=True)
    requirements = RequirementOut(many=True)
    reasons = ReasonOut(many=True)
    can_unblock = texts("The fewest people whose acts would lift everything that waits.")
    standings = StandingOut(many=True)


class ChangeRowOut(Out):
    number = whole()
    repository = string()
    title = string()
    kind = word(ChangeRequest.Kind)
    state = word(ChangeStatus)
    source_branch = maybe_text("null: no code yet, or made by the portal")
    target_branch = string()
    requester = string()
    owner = maybe_text()
    revision = maybe_number()
    created_at = moment()
    updated_at = moment()
    verdict_summary = maybe_text("As lists show it; null while it is being computed.")


class RevisionOut(Out):
    """Immutable: what would be merged."""

    number = whole()
    cause = word(Revision.Cause)
    head = string()
    base = string(help_text="The tip of the target branch.")
    merge_bases = texts()
    result_tree = maybe_text("null when the merge conflicts")
    conflict = texts("Paths that conflict; empty when the merge is clean.")
    source_branch = maybe_text()
    target_branch = string()
    subject = maybe_text("The digest to which approvals are bound.")
    files_changed = maybe_number()
    lines_added = maybe_number()
    lines_removed = maybe_number()
    created_at = moment()


class ContributorOut(Out):
    username = maybe_text("null: an address that belongs to no account")
    name = string(allow_blank=True)
    email = string(allow_blank=True)
    how = texts()


class AssignmentOut(Out):
    user = string()
    duty = word(Assignment.Duty)
    origin = word(Assignment.Origin)
    reason = string(allow_blank=True)
    created_at = moment()


class ReviewOut(Out):
    id = whole()
    reviewer = string()
    revision = whole()
    verdict = word(Review.Verdict)
    body = string(allow_blank=True)
    stage = word(Review.Stage)
    environment = maybe_text()
    subject = maybe_text()
    created_at = moment()
    withdrawn_at = maybe_moment()
    shown = serializers.JSONField(allow_null=True, help_text="What had been displayed and viewed (docs/reviewing.md).")
    with_rollback = serializers.BooleanField(help_text="The roll-back was approved, too: exactly this inverse.")
    inverse = maybe_text("The digest of the inverse that was shown with an approval.")


class DeploymentOut(Out):
    number = whole()
    change = whole()
    repository = string()
    environment = string()
    kind = word(Deployment.Kind)
    state = word(DeploymentStatus)
    commit = string()
    waits = serializers.ListField(child=serializers.JSONField(), help_text="What a pending one waits for.")
    attempts = whole()
    problem = maybe_text()
    requested_by = string()
    last_event = whole()
    queued_at = maybe_moment()
    latest_at = serializers.DateTimeField(help_text="When it last began, or was asked for since: lists go by it.")
    start_at = maybe_moment()
    started_at = maybe_moment()
    ended_at = maybe_moment()


class ChangeOut(ChangeRowOut):
    description = string(allow_blank=True)
    version = whole()
    change_class = serializers.ChoiceField(choices=("standard", "normal", "emergency"))
    revisions = RevisionOut(many=True)
    verdict = VerdictOut()
    contributors = texts("Who cannot approve: usernames, or addresses that belong to no account.")
    contributor_details = ContributorOut(many=True)
    reviewers = texts("Who was asked to review, or did.")
    reviewer_details = AssignmentOut(many=True)
    reviews = ReviewOut(many=True)
    source_deleted_at = maybe_moment()
    rolls_back = maybe_number()
    merge_commit = maybe_text()
    merged_at = maybe_moment()
    closed_reason = maybe_text()
    deployments = DeploymentOut(many=True)


class RollbackOut(ChangeRowOut):
    change = whole(help_text="The number of the inverse change.")
    emergency_refused = string(
        allow_blank=True,
        help_text="Why the emergency that was asked for with it was not declared; empty: it was, or none was asked for.",
    )


class CommentOut(Out):
    id = whole(help_text="By which a suggestion in it is applied.")
    author = string()
    body = string()
    created_at = moment()


class ThreadOut(Out):
    number = whole()
    kind = word(Thread.Kind)
    state = word(Thread.State)
    scope = word(Thread.Scope)
    place = maybe_text("The place in words, such as app/values.yaml:3–5.")
    path = maybe_text()
    start_line = maybe_number()
    line = maybe_number()
    side = word(("old", "new"))
    locator = maybe_text("Canonical text of a resource, an attribute of a plan or a line of a log.")
    snippet = maybe_text("The lines as they were when the thread was opened.")
    revision = maybe_number()
    reason = maybe_text("Why it was dropped.")
    comments = CommentOut(many=True)


class SuggestionCommitOut(Out):
    """The commit that took suggestions; it is the head of a new revision."""

    commit = string()
    onto = string(help_text="The head that it was made on.")
    state = word(SuggestionCommit.State)
    comments = serializers.ListField(child=serializers.IntegerField())


class DraftOut(Out):
    id = whole()
    thread = maybe_number()
    scope = word(Thread.Scope)
    place = maybe_text()
    path = maybe_text()
    start_line = maybe_number()
    line = maybe_number()
    side = word(("old", "new"))
    locator = maybe_text()
    revision = maybe_number()
    kind = word(Thread.Kind)
    body = string()
    pending = serializers.BooleanField()
    saved_at = moment()


class EventOut(Out):
    seq = whole()
    kind = word(DeploymentEvent.Kind)
    at = moment()
    attempt = whole()
    step = maybe_text()
    first_line = maybe_number()
    text = string(allow_blank=True)
    data = serializers.JSONField()  # type: ignore[assignment]  # the metaclass takes it out of the attributes


class EnvironmentOut(Out):
    repository = string()
    name = string()
    position = whole()
    protected = serializers.BooleanField()
    after = texts("Environments in which the same commit must have succeeded first.")
    live_commit = maybe_text()
    live_since = maybe_moment()
    live_change = maybe_number()
    live_deployment = maybe_number()


class AuditOut(Out):
    seq = whole()
    at = moment()
    action = string()
    actor = serializers.DictField(child=serializers.JSONField())
    target = string(allow_blank=True)
    repository = maybe_text()
    change = maybe_number()
    environment = maybe_text()
    deployment = maybe_number()
    summary = string()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]  # the metaclass takes it out of the attributes
    prev_hash = string()
    hash = string()


class ChainOut(Out):
    """What a walk over the whole chain of the audit log found."""

    ok = serializers.BooleanField()
    entries = whole(help_text="How many were checked and found good.")
    first_bad = maybe_number()
    problem = maybe_text()
    head_seq = whole()
    head_hash = string()
    published = whole(help_text="How many of the first entries were found to be those of the published log.")


class CheckpointOut(Out):
    """How far the audit log is published in Git, and the signed note that says so."""

    size = whole(help_text="How many entries it covers; 0 before the first time.")
    root_hash = maybe_text("The Merkle tree hash over them, hexadecimal.")
    commit = maybe_text("In audit.git, under refs/portal/audit.")
    note = maybe_text("The checkpoint with its signature (C2SP tlog-checkpoint).")
    verifier = string(help_text="The public key of the log (C2SP signed-note).")
    published_at = maybe_moment()
    copied = serializers.BooleanField(
        allow_null=True, help_text="Whether the copy elsewhere has it; null: there is none."
    )
    problem = maybe_text("Why it is not further, or why everything is held.")

"""Change requests, their immutable revisions, and who contributed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.changes.lifecycle import Status
from apps.changes.models.inverses import Inverse as Inverse
from apps.changes.querysets import (
    ChangeQuerySet,
    OutsideChangeQuerySet,
    OverlapQuerySet,
    RenderingQuerySet,
    RevisionQuerySet,
)
from apps.core.fields import OidField
from apps.core.leases import Leased

USER = settings.AUTH_USER_MODEL


class ChangeNumber(models.Model):
    """The one row that hands out change numbers, so that they have no gaps and never repeat."""

    last = models.PositiveIntegerField(default=0)


class ChangeRequest(models.Model):
    """One change on its way from the backlog to ``done``. ``version`` grows with every transition."""

    class Kind(models.TextChoices):
        NORMAL = "normal"
        ROLLBACK = "rollback"
        ADOPTION = "adoption"  # of what was pushed to the target branch past the portal: it is there already

    number = models.PositiveIntegerField(unique=True)
    repository = models.ForeignKey("repositories.Repository", on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.NORMAL)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in Status], db_index=True)
    version = models.PositiveIntegerField(default=1)
    source_branch = models.CharField(max_length=250, blank=True)  # empty: a backlog request, or made by the portal
    target_branch = models.CharField(max_length=250)
    requester = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="requested_changes")
    owner = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="owned_changes")
    revision = models.ForeignKey("Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    source_deleted_at = models.DateTimeField(null=True, blank=True)
    rolls_back = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="rollbacks")
    rollback_environments = models.JSONField(default=list, blank=True)
    merge_when_allowed_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    merge_check_at = models.DateTimeField(null=True, blank=True)  # when that is judged again
    merge_commit = OidField()
    merged_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_index=True)
    updated_at = models.DateTimeField(db_index=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        indexes = [
            models.Index(fields=["repository", "status"]),
            models.Index(fields=["repository", "source_branch"]),
            # Lists and queues find their 25 rows in these alone, however many changes there are.
            models.Index(fields=["repository", "number"], name="changes_by_number"),
            models.Index(fields=["repository", "status", "number"], name="changes_by_state_and_number"),
            models.Index(fields=["repository", "status", "updated_at"], name="changes_by_state_and_age"),
            models.Index(fields=["owner", "status", "updated_at"], name="changes_by_owner_and_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "source_branch", "target_branch"],
                condition=Q(status__in=["draft", "in_review", "merging"]) & ~Q(source_branch=""),
                name="one_open_change_per_branch_pair",
            )
        ]

    def __str__(self) -> str:
        return f"CHG-{self.number} {self.title}"

    @property
    def label(self) -> str:
        return f"CHG-{self.number}"


class Revision(models.Model):
    """What would be merged, frozen: head, target tip, merge bases and the merge result. Never updated."""

    class Cause(models.TextChoices):
        ATTACHED = "attached"
        PUSHED = "pushed"
        FORCE_PUSHED = "force_pushed"
        RECREATED = "branch_recreated"
        TARGET_MOVED = "target_moved"
        RETARGETED = "retargeted"
        REOPENED = "reopened"
        INVERSE = "inverse"
        OUTSIDE = "outside"

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    cause = models.CharField(max_length=20, choices=Cause.choices)
    source_branch = models.CharField(max_length=250, blank=True)
    target_branch = models.CharField(max_length=250)
    head_oid = OidField()
    target_oid = OidField()
    merge_bases = models.JSONField(default=list)
    result_tree = OidField()  # empty when the merge conflicts
    conflicts = models.JSONField(default=list)  # displayable paths
    subject = models.CharField(max_length=64)  # digest of the tree difference (DESIGN §5); empty on conflict
    paths = models.JSONField(default=list)  # displayable changed paths, old and new of renames, sorted
    files_changed = models.PositiveIntegerField(default=0)
    lines_added = models.PositiveIntegerField(default=0)
    lines_removed = models.PositiveIntegerField(default=0)
    uncounted_files = models.PositiveIntegerField(
        default=0
    )  # binary, links, submodules, other modes: no lines tell them
    commit_count = models.PositiveIntegerField(default=0)
    pusher = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["change", "number"], name="revision_numbers_are_unique")]

    @property
    def label(self) -> str:
        return f"r{self.number}"


class RenderingPlan(models.Model):
    """Which targets a revision reaches was found out: its :class:`Rendering` rows are there."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="rendering_plan")
    proposed = models.BooleanField(default=False)  # found in the repository, not named by the policy
    problem = models.CharField(max_length=1000, blank=True)  # why it could not be found out
    created_at = models.DateTimeField()
    compared_at = models.DateTimeField(
        null=True, blank=True
    )  # other open changes were looked for, once all was rendered


class Rendering(Leased):
    """The effect of one revision on one target. ``attempt`` grows with every rendering anew."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RENDERED = "rendered"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Planner(models.TextChoices):
        """Who finds the effect out, as the policy of the target branch says."""

        HERE = "here"
        PIPELINE = "pipeline"
        RUNNER = "runner"

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="renderings")
    environment = models.CharField(max_length=63)
    target = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    options = models.JSONField(default=dict)
    optional = models.BooleanField(default=False)
    planned_by = models.CharField(max_length=8, choices=Planner.choices, default=Planner.HERE)
    position = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    attempt = models.PositiveIntegerField(default=1)
    failure = models.CharField(max_length=20, blank=True)  # a Failure of apps.rendering
    message = models.TextField(blank=True)
    message_path = models.CharField(max_length=1000, blank=True)
    message_line = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)  # names the difference and what rendered it
    facts = models.JSONField(default=dict)  # what lists and rules read: apps.changes.effects says in which shape
    document = models.BinaryField(null=True)  # the difference itself, redacted and compressed
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects = RenderingQuerySet.as_manager()

    class Meta:
        ordering = ("position", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["revision", "environment", "target"], name="a_target_is_rendered_once_a_revision"
            )
        ]

    @property
    def label(self) -> str:
        return f"{self.environment}/{self.target}"

    @property
    def waits_for(self) -> str:
        """Whom a queued rendering waits for when that is not the portal itself; empty: for nobody else."""
        if self.state != self.State.QUEUED or self.started_at:
            return ""
        words = {
            self.Planner.PIPELINE: "waiting for a plan from the pipeline",
            self.Planner.RUNNER: f"waiting for the runner of {self.environment}",
        }
        return words.get(self.Planner(self.planned_by), "")

    @property
    def message_place(self) -> str:
        """The file and the line that the message names; empty where it names none."""
        return f"{self.message_path}:{self.message_line}" if self.message_line else self.message_path


class RenderedSide(models.Model):
    """One side of a target as it was rendered, by the content of its inputs: used again wherever that is the same.

    Only redacted resources are kept, and only of sides that could be rendered.
    """

    key = models.CharField(max_length=64, unique=True)
    document = models.BinaryField()
    milliseconds = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(db_index=True)


class CheckReport(models.Model):
    """What a pipeline reported of one merge result (a tree, on its way into a branch). The newest of a name counts."""

    class State(models.TextChoices):
        PENDING = "pending"
        SUCCESS = "success"
        FAILURE = "failure"

    repository = models.ForeignKey("repositories.Repository", on_delete=models.PROTECT, related_name="check_reports")
    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="check_reports")
    tree = OidField()
    target_branch = models.CharField(max_length=250)
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=7, choices=State.choices)
    summary = models.CharField(max_length=500, blank=True)
    url = models.CharField(max_length=1000, blank=True)
    reported_by = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        indexes = [models.Index(fields=["repository", "tree", "name"], name="reports_by_tree")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class Contribution(models.Model):
    """Somebody contributed to a change. Rows are only added: contributors never shrink (DESIGN §5)."""

    class How(models.TextChoices):
        OPENED = "opened"
        AUTHORED = "authored"
        COMMITTED = "committed"
        CO_AUTHORED = "co_authored"
        PUSHED = "pushed"
        SUGGESTED = "suggested"
        SPONSORED = "sponsored"  # answers for a service account that did any of these

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="contributions")
    revision_number = models.PositiveIntegerField(default=0)
    user = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=254, blank=True)
    how = models.CharField(max_length=12, choices=How.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user", "how"],
                condition=Q(user__isnull=False),
                name="a_contribution_is_recorded_once",
            ),
            models.UniqueConstraint(
                fields=["change", "email", "how"],
                condition=Q(user__isnull=True),
                name="an_unknown_contributor_is_recorded_once",
            ),
        ]


class OutsideChange(models.Model):
    """A target branch went from ``old_oid`` to ``new_oid`` past the portal: nobody approved that here.

    ``change`` is the one that adopts or reverts it, as long as that was not withdrawn; ``settled_at`` is written when it
    landed, or when the branch no longer contains ``new_oid``.
    """

    class Outcome(models.TextChoices):
        ADOPTED = "adopted"
        REVERTED = "reverted"
        GONE = "gone"

    repository = models.ForeignKey("repositories.Repository", on_delete=models.PROTECT, related_name="outside_changes")
    branch = models.CharField(max_length=250)
    kind = models.CharField(max_length=10)  # a kind of repositories.RefUpdate
    old_oid = OidField()
    new_oid = OidField()  # empty: the branch was deleted
    pusher = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    seen_at = models.DateTimeField()
    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="settles")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = OutsideChangeQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = [models.Index(fields=["repository", "settled_at"], name="outside_changes_by_repository")]


class TouchedThing(models.Model):
    """Something that a revision changes: a rendered resource in an environment, or a path. ``key`` is its digest."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="touched")
    key = models.CharField(max_length=40, db_index=True)
    label = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "key"], name="a_thing_is_touched_once")]


class Overlap(Leased):
    """Two present revisions of one target branch that touch the same; ``first`` is of the lower number.

    ``conflicts``: displayable paths for which one of the two orders has no clean merge. ``same_end``: both orders end in the
    same state. ``first_stays``: the effect of the first is what was approved also after the second landed, and so approvals
    carry over; ``second_stays`` the other way round. ``None``: it cannot be told before.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        KNOWN = "known"
        FAILED = "failed"

    first = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="overlaps_with_later")
    second = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="overlaps_with_earlier")
    things = models.JSONField(default=list)  # labels of what both touch, the first of them
    count = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    conflicts = models.JSONField(default=list)
    same_end = models.BooleanField(null=True)
    first_stays = models.BooleanField(null=True)
    second_stays = models.BooleanField(null=True)
    differs = models.JSONField(default=list)  # paths or targets in which the two orders end differently
    message = models.CharField(max_length=500, blank=True)  # why it could not be told
    created_at = models.DateTimeField()

    objects = OverlapQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="two_revisions_overlap_once")]

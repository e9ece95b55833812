"""What going back would do, as it was computed before anybody asked for it."""

from __future__ import annotations

from django.db import models

from apps.changes.querysets import InverseQuerySet
from apps.core.fields import OidField


class Inverse(models.Model):
    """The inverse of a revision's merge result on a target branch at ``tip``. Computed anew when it is another one.

    ``effects``: ``environment/target`` → the digest of its rendered inverse; ``untold``: ``[target, why]`` of those whose
    inverse effect cannot be told before. ``parts``: ``[target, resource, text]`` of what does not come back; ``unknown``: the
    targets of which that is not known. ``digest`` names all of it: what an approver is shown, and may pre-authorise.
    """

    class State(models.TextChoices):
        POSSIBLE = "possible"
        CONFLICT = "conflict"  # later changes touched the same places
        NOTHING = "nothing"  # of the change nothing is left on the branch
        FAILED = "failed"  # it could not be computed: ``message`` says why

    revision = models.OneToOneField("changes.Revision", on_delete=models.CASCADE, related_name="inverse")
    state = models.CharField(max_length=8, choices=State.choices)
    tip = OidField()
    before_tree = OidField()  # what is on the branch when it is taken back
    result_tree = OidField()  # what is there then; empty unless it is possible
    subject = models.CharField(max_length=64, blank=True)  # digest of the difference of the two (DESIGN §5)
    files = models.PositiveIntegerField(default=0)
    conflicts = models.JSONField(default=list)  # displayable paths
    effects = models.JSONField(default=dict)
    untold = models.JSONField(default=list)
    parts = models.JSONField(default=list)
    unknown = models.JSONField(default=list)
    message = models.CharField(max_length=500, blank=True)
    digest = models.CharField(max_length=64)
    computed_at = models.DateTimeField()

    objects = InverseQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Inverse of {self.revision_id}: {self.state}"

"""What a person has marked as viewed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

USER = settings.AUTH_USER_MODEL


class SeenMark(models.Model):
    """One person viewed one file of a change with exactly this content. Personal: nobody else is shown it.

    ``file`` is the id of the file, the same in every revision; ``digest`` names its difference (modes, contents,
    paths), so a mark can never speak for content that came later.
    """

    change = models.ForeignKey("changes.ChangeRequest", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    file = models.CharField(max_length=64)
    digest = models.CharField(max_length=40)
    revision_number = models.PositiveIntegerField()
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "change", "file", "digest"], name="content_is_viewed_once")
        ]

"""Pages about an environment that anybody may read who knows their address."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.deployments.models.environments import Environment


class StatusPage(models.Model):
    """Where strangers read what is live in one environment. One that is off answers as if it had never been."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="status_page")
    slug = models.CharField(max_length=64, unique=True)
    is_on = models.BooleanField(default=False)
    shows_titles = models.BooleanField(default=False)
    shows_people = models.BooleanField(default=False)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.slug

    @property
    def path(self) -> str:
        return f"/status/{self.slug}/"

"""Who this portal is to the outside."""

from __future__ import annotations

from django.db import models


class PortalIdentity(models.Model):
    """One row: a random name, written once. A restored copy of the database has the same one."""

    name = models.CharField(max_length=32)

    class Meta:
        verbose_name_plural = "portal identities"

    def __str__(self) -> str:
        return self.name

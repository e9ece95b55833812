"""Versions of the policy that stood at the tips of target branches."""

from __future__ import annotations

from django.db import models

from apps.core.fields import OidField


class PolicyVersion(models.Model):
    """One version of ``portal.yaml``, CODEOWNERS and the modules of Rego (a tree) that stood at the tip of ``branch``.

    A row is written when the files at a tip differ from the newest row of the branch. An empty blob
    means that there was no such file; ``problems`` holds ``Located.to_dict()`` entries. Only
    ``noted_at`` ever changes: it moves when a branch is pushed back to an old commit.
    """

    repository = models.ForeignKey("repositories.Repository", on_delete=models.CASCADE, related_name="policy_versions")
    branch = models.CharField(max_length=250)
    commit_oid = OidField()
    portal_blob = OidField()
    owners_blob = OidField()
    owners_path = models.CharField(max_length=40, blank=True)
    rego_tree = OidField()
    valid = models.BooleanField()
    problems = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    noted_at = models.DateTimeField()

    class Meta:
        ordering = ("-noted_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "branch", "commit_oid"], name="one_policy_version_per_commit"
            ),
        ]
        indexes = [models.Index(fields=["repository", "branch", "-noted_at"], name="policy_last_valid")]

    def __str__(self) -> str:
        return f"{self.branch}@{self.commit_oid[:12]}"

"""Roles in a repository and what each of them can do. Pure facts, no tables."""

from __future__ import annotations

from django.db import models


class Role(models.TextChoices):
    VIEWER = "viewer"
    AUTHOR = "author"
    REVIEWER = "reviewer"
    DEPLOYER = "deployer"
    MAINTAINER = "maintainer"
    AUDITOR = "auditor"


SEE, ASK, WRITE, REVIEW, DEPLOY, MAINTAIN, AUDIT = "see", "ask", "write", "review", "deploy", "maintain", "audit"

CAPABILITIES: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({SEE, ASK}),
    Role.AUTHOR: frozenset({SEE, ASK, WRITE}),
    Role.REVIEWER: frozenset({SEE, ASK, WRITE, REVIEW}),
    Role.DEPLOYER: frozenset({SEE, ASK, WRITE, REVIEW, DEPLOY}),
    Role.MAINTAINER: frozenset({SEE, ASK, WRITE, REVIEW, DEPLOY, MAINTAIN, AUDIT}),
    Role.AUDITOR: frozenset({SEE, AUDIT}),
}
"""What each role can do. An auditor reads everything and changes nothing."""

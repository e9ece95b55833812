"""Answers about what an environment keeps."""

from __future__ import annotations

from apps.api.fields import string, word
from apps.api.outputs import Out
from apps.deployments.models import EnvironmentSecret


class SecretOut(Out):
    """Its name and its use; the value is never answered."""

    name = string()
    used_for = word(EnvironmentSecret.Use)

"""Shapes of answers about what a person has viewed."""

from __future__ import annotations

from rest_framework import serializers

from apps.api.fields import texts, whole
from apps.api.outputs import Out


class ViewedOut(Out):
    change = whole()
    files = whole()
    viewed = texts()
    changed = serializers.ListField(
        child=serializers.CharField(), help_text="Viewed before, with another content than now."
    )

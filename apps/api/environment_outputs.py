"""Answers about what an environment keeps."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import Flag, Text, maybe_text, string, word
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.models import EnvironmentSecret, StatusPage


class StatusPageIn(Shape):
    is_on = Flag()
    slug = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=64,
        help_text="Empty: the present one, or an unguessable one.",
    )
    shows_titles = Flag(required=False, default=False)
    shows_people = Flag(required=False, default=False)


class StatusPageOut(Out):
    is_on = serializers.BooleanField()
    path = maybe_text("Where strangers read it; null: nobody has set one up.")
    shows_titles = serializers.BooleanField()
    shows_people = serializers.BooleanField()


def status_page_json(row: StatusPage | None) -> dict[str, Any]:
    """The shape of :class:`StatusPageOut`; of none everything is off."""
    return {
        "is_on": row is not None and row.is_on,
        "path": row.path if row else None,
        "shows_titles": row is not None and row.shows_titles,
        "shows_people": row is not None and row.shows_people,
    }


class SecretOut(Out):
    """Its name and its use; the value is never answered."""

    name = string()
    used_for = word(EnvironmentSecret.Use)

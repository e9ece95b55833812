"""Fields of shapes. What comes in is taken only with exactly its type: a number is no text, and "3" is no number."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.presentation.moments import no_moment, zoned

MAX_NUMBER = 2_147_483_647
"""What a number column holds on every database."""


class Text(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a string.")
        return super().to_internal_value(data)


class Address(Text):
    """An e-mail address, or empty."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            if text:
                validate_email(text)
        except ValidationError as error:
            raise serializers.ValidationError("No e-mail address.") from error
        return text


class Day(serializers.DateField):
    """A day as ``2026-12-24``."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a day like 2026-12-24.")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A moment with its time zone, in UTC: without one it would be another moment for everybody."""

    def to_internal_value(self, data: Any) -> Any:
        found = zoned(data) if isinstance(data, str) else None
        if found is None:
            raise serializers.ValidationError(no_moment(str(data)))
        return found


class Number(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_NUMBER, **options})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("Not a whole number.")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Neither true nor false.")
        return data


def one_of(*values: str, checked: bool = False) -> type[Text]:
    """A text that the schema documents as one of ``values``.

    The service that gets another one says what is wrong, or, if ``checked``, the shape does.
    """

    def require_known(_field: Text, data: Any) -> str:
        text = Text.to_internal_value(_field, data)
        if text not in values:
            raise serializers.ValidationError(f"One of {', '.join(values)}.")
        return text

    members = {"to_internal_value": require_known} if checked else {}
    return extend_schema_field({"type": "string", "enum": list(values)})(type("Word", (Text,), members))


# Columns of answers.


def string(**options: Any) -> serializers.CharField:
    return serializers.CharField(**options)


def maybe_text(about: str = "") -> serializers.CharField:
    return serializers.CharField(allow_null=True, help_text=about or None)


def whole(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(**options)


def maybe_number(about: str = "") -> serializers.IntegerField:
    return serializers.IntegerField(allow_null=True, help_text=about or None)


def moment() -> serializers.DateTimeField:
    return serializers.DateTimeField()


def maybe_moment() -> serializers.DateTimeField:
    return serializers.DateTimeField(allow_null=True)


def texts(about: str = "") -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), help_text=about or None)


def word(values: Any, *, null: bool = False) -> serializers.ChoiceField:
    """One of the values of an enumeration."""
    return serializers.ChoiceField(choices=[str(value) for value in values], allow_null=null)

"""Stored secrets under the present encryption key: how many are not, and the work of encrypting them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.db import models, transaction

from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.core.errors import Unavailable
from apps.core.fields import SealedField
from apps.core.secrets import decrypt, encrypt, is_of_present_key

AT_ONCE = 20
"""Rows that are held in memory together; a sealed rendering may be some megabytes."""


@dataclass
class Sealed:
    """What was found, by column (``deployments.connection.sealed_credentials``).

    ``present``: already under the present key; ``old``: under a key before, and encrypted again where that was asked for;
    ``unreadable``: the rows of which no key that is set can read it.
    """

    present: dict[str, int] = field(default_factory=dict)
    old: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, list[int]] = field(default_factory=dict)


def look() -> Sealed:
    """What is stored under which key; nothing is changed."""
    found = Sealed()
    for _ in _of_keys_before(found):
        pass
    return found


def encrypt_again() -> Sealed:
    """Encrypt with the present key whatever a key before can read. May run beside the portal, and again after it was stopped.

    What somebody writes meanwhile stays as they wrote it. One entry of the record says how many there were, where there were some.
    """
    found = Sealed()
    for column, row, stored, clear in _of_keys_before(found):
        _swap(column, row, stored, clear)
    if found.old:
        with transaction.atomic():
            audit.record(
                SYSTEM,
                "secrets.encrypted_again",
                summary=f"{sum(found.old.values())} stored secrets were encrypted again with the present key",
                data={"columns": found.old},
            )
    return found


def columns() -> list[SealedField]:
    """Every column that holds what is encrypted."""
    fields = (column for model in apps.get_models() for column in model._meta.local_fields)
    return [column for column in fields if isinstance(column, SealedField)]


def name_of(column: SealedField) -> str:
    """As it is called in the answer."""
    return f"{column.model._meta.label_lower}.{column.name}"


def _stored(column: SealedField) -> Iterator[tuple[int, str]]:
    """Row and stored text, oldest first, a few at a time: the table may grow and change meanwhile."""
    rows: models.QuerySet[models.Model] = column.model._default_manager.exclude(**{column.name: ""}).order_by("pk")
    last = 0
    while page := list(rows.filter(pk__gt=last).values_list("pk", column.name)[:AT_ONCE]):
        yield from page
        last = page[-1][0]


def _of_keys_before(found: Sealed) -> Iterator[tuple[SealedField, int, str, str]]:
    """Column, row, stored and clear text of what waits for the present key; everything is counted in ``found``."""
    for column in columns():
        name = name_of(column)
        for row, stored in _stored(column):
            if is_of_present_key(stored):
                found.present[name] = found.present.get(name, 0) + 1
                continue
            try:
                clear = decrypt(stored)
            except Unavailable:
                found.unreadable.setdefault(name, []).append(row)
                continue
            found.old[name] = found.old.get(name, 0) + 1
            yield column, row, stored, clear


def _swap(column: SealedField, row: int, stored: str, clear: str) -> None:
    """Unless it is another one by now."""
    at = {"pk": row, column.name: stored}
    column.model._default_manager.filter(**at).update(**{column.name: encrypt(clear)})

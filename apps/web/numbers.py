"""Numbers in addresses: what cannot be read as one is as if it were not there."""

from __future__ import annotations

from django.http import HttpRequest

DIGITS = 9
"""More of them fit no column that we look up."""


def number_in(request: HttpRequest, name: str) -> int | None:
    """The whole number called ``name`` in the address, or ``None``."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None

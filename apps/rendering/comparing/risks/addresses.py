"""How many are meant by a range of addresses."""

from __future__ import annotations

import ipaddress

_MANY = 8
"""A shorter prefix than this: more than any organisation has. ``10.0.0.0/8`` is none; two of ``/1`` are everybody."""


def is_everybody(address: str) -> bool:
    """However it is written: ``0.0.0.0/00`` and ``0::/0`` as well."""
    length = _length(address)
    return address.strip().endswith("/0") if length is None else length == 0


def is_many(address: str) -> bool:
    """A large part of all addresses, and not all."""
    length = _length(address)
    return length is not None and 0 < length < _MANY


def _length(address: str) -> int | None:
    try:
        return ipaddress.ip_network(address.strip(), strict=False).prefixlen
    except ValueError:
        return None

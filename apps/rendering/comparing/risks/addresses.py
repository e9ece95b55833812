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


def is_inside(address: str, other: str) -> bool:
    """Whether all of a range is in another one; what is no range is in itself only."""
    small, large = _network(address), _network(other)
    if isinstance(small, ipaddress.IPv4Network) and isinstance(large, ipaddress.IPv4Network):
        return small.subnet_of(large)
    if isinstance(small, ipaddress.IPv6Network) and isinstance(large, ipaddress.IPv6Network):
        return small.subnet_of(large)
    return address.strip() == other.strip()


def _network(address: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(address.strip(), strict=False)
    except ValueError:
        return None


def _length(address: str) -> int | None:
    network = _network(address)
    return None if network is None else network.prefixlen

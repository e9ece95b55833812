"""Objects that Kustomize names anew with every change of their content: another suffix is another name of the same object."""

from __future__ import annotations

import re
from collections.abc import Iterable

from apps.rendering.model import ResourceId

_KINDS = frozenset({("", "ConfigMap"), ("", "Secret")})
_NAME = re.compile(r"(.+)-[2456789bcdfghkmt]{10}")
"""Kustomize writes ten digits of a hash, without vowels and without what is taken for another letter."""


def renamed(gone: Iterable[ResourceId], new: Iterable[ResourceId]) -> dict[ResourceId, ResourceId]:
    """The old identity of each new one, where exactly one of each side has the name but for the suffix."""
    old, now = _by_name(gone), _by_name(new)
    return {now[key][0]: old[key][0] for key in old.keys() & now.keys() if len(old[key]) == len(now[key]) == 1}


def _by_name(identities: Iterable[ResourceId]) -> dict[ResourceId, list[ResourceId]]:
    found: dict[ResourceId, list[ResourceId]] = {}
    for identity in identities:
        name = _NAME.fullmatch(identity.name)
        if name and (identity.api, identity.kind) in _KINDS:
            plain = ResourceId(identity.api, identity.kind, identity.namespace, name[1])
            found.setdefault(plain, []).append(identity)
    return found

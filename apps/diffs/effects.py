"""What a changed file takes away and which rights it touches, as far as the source tells. Pure.

``destroys``: a deleted file, and Kubernetes documents, CloudFormation and Terraform resources that the new side lacks.
``rbac``: a file that holds roles, bindings, service accounts or IAM on either side. What cannot be told counts as both,
because a rule that asks to see them must not be got round by making a file unreadable. What shows only after rendering (a
value of a chart, an entry of a kustomization, ``count = 0``) is not found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from apps.diffs import documents, terraform
from apps.diffs.documents import RBAC_KINDS, Declared
from apps.diffs.files import ABSENT, FileChange

EFFECTS_VERSION = 2
"""Part of cache keys: raise it whenever the same content would give another answer."""
MAX_BYTES = 1_000_000
"""Bytes of one side that are examined."""
MAX_NAMED = 50
Kind = Literal["destroys", "rbac"]
_YAML = (".yaml", ".yml")
_RIGHTS = re.compile(rb"""["']?\bkind["']?\s*[:=]\s*["']?(?:%s)\b""" % "|".join(sorted(RBAC_KINDS)).encode())


@dataclass(frozen=True, slots=True)
class Effect:
    """``what`` in words, such as ``Deployment web``."""

    kind: Kind
    what: str


def effects_of(change: FileChange, old: bytes | None, new: bytes | None) -> tuple[Effect, ...]:
    """The effects of one file. ``old`` and ``new``: the contents; ``None``: absent, or not read."""
    found: list[Effect] = []
    if change.status == "D":
        found.append(Effect("destroys", "the whole file"))
    sides = [_side(change.old_path, change.old_mode, old), _side(change.new_path, change.new_mode, new)]
    unsure = next((side.unsure for side in sides if side.unsure), "")
    if change.status != "D":
        gone = sides[0].resources - sides[1].resources
        found += [Effect("destroys", name) for name in sorted(gone)[:MAX_NAMED]]
        if unsure and not gone:
            found.append(Effect("destroys", f"perhaps something: {unsure}"))
    rights = sorted({*sides[0].rbac, *sides[1].rbac})
    found += [Effect("rbac", name) for name in rights[:MAX_NAMED]]
    if unsure and not rights:
        found.append(Effect("rbac", f"perhaps something: {unsure}"))
    return tuple(found)


def _side(path: str, mode: str, data: bytes | None) -> Declared:
    """What one side declares; nothing where there is no file."""
    if mode == ABSENT:
        return Declared()
    if not mode.startswith("100"):
        return Declared(unsure="it is no ordinary file")
    if data is None:
        return Declared(unsure="it is too large to be examined")
    name = path.lower()
    if name.endswith((".tf", ".tofu", ".tf.json")):
        return terraform.declared(data, is_json=name.endswith(".json"))
    if name.endswith((*_YAML, ".json")):
        return documents.declared(data, is_json=name.endswith(".json"))
    rights = sorted({found.decode("utf-8", "replace") for found in _RIGHTS.findall(data)})
    return Declared(rbac=tuple(rights))

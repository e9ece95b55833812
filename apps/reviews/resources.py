"""Rendered resources as somebody reviews them: what names what happens to one, and which of them a person has seen."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.effects.reading import Effects, differences_of, effects_of
from apps.changes.models import ChangeRequest, Revision
from apps.policies.evaluation import Part
from apps.rendering.comparing import difference_digest
from apps.rendering.model import Action, Difference, ResourceChange, ToolIdentity
from apps.reviews.models import SeenMark

PREFIX = "resource:"
RBAC = frozenset({"rbac", "iam"})
_NO_TOOL = ToolIdentity("", "")


def change_key(change: ResourceChange) -> str:
    """Names what happens to one resource, wherever the same happens to it (40 hex digits)."""
    return difference_digest(Difference((change,)), _NO_TOOL)[:40]


def seen_resources(user: User, change: ChangeRequest) -> frozenset[str]:
    """The keys of what ``user`` has marked as seen."""
    rows = SeenMark.objects.filter(user=user, change=change, file__startswith=PREFIX)
    return frozenset(rows.values_list("digest", flat=True))


def resource_keys(revision: Revision) -> frozenset[str]:
    """The keys of everything that happens to resources of this revision, whatever the target."""
    found = differences_of(effects_of(revision).rows).values()
    return frozenset(change_key(change) for difference in found for change in difference.changes)


def resource_parts(effects: Effects) -> tuple[Part, ...]:
    """What a rule can ask an approver to have seen: each destroy, each replacement, each right that is given."""
    found: dict[str, Part] = {}
    for label, difference in differences_of(effects.binding).items():
        for change in difference.changes:
            kinds = _kinds(change)
            if kinds:
                key = f"{PREFIX}{change_key(change)}"
                found.setdefault(key, Part(key, f"{change.id} ({label})", kinds))
    return tuple(found.values())


def _kinds(change: ResourceChange) -> tuple[str, ...]:
    lost = change.action in {Action.DELETE, Action.REPLACE}
    rights = any(risk.code in RBAC for risk in change.risks)
    return (*(["destroys"] if lost else []), *(["rbac"] if rights else []))

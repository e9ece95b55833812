"""Who may do more than before: identities, their policies, and resources that say who may use them.

A permission is new only if nothing that was allowed covers it: after ``*`` there is nothing more to gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from apps.rendering.comparing.risks.reading import at, mapping_at, shown
from apps.rendering.model import ABSENT, Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]
Permission = tuple[str, str]
"""An action and a resource; either may end with ``*``."""

MAX_PERMISSIONS = 5_000
_NAMED = 8
_ANY = "*"
_STRONG = ("iam:*", "sts:*", "organizations:*", "kms:*", "secretsmanager:*", "iam:passrole", "sts:assumerole")
_ADMINISTRATORS = ("/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess")
_TRUST = "AssumeRolePolicyDocument"
_POLICIES = frozenset(
    "PolicyDocument Policies ManagedPolicyArns PermissionsBoundary Groups Roles Users GroupName PolicyName".split()
)

ALLOWING: Mapping[str, str] = dict.fromkeys(
    (_TRUST, "ManagedPolicyArns", "PermissionsBoundary", "Statement", "Principal"), "iam"
)
"""Names of properties in which is read who may do what."""


def permission_risks(change: ResourceChange) -> Iterator[Risk]:
    before, after = (mapping_at(side or {}, "Properties") for side in (change.before, change.after))
    if change.after is None:
        return
    yield from _identity(change, before, after)
    old, new = _granted(before), _granted(after)
    if old is None or new is None:
        yield Risk("iam", "The policies allow too much to be compared; read them as new.", Weight.HIGH)
    else:
        yield from _gained(old, new)
    known = set(_open(before))
    yield from (risk for risk in _open(after) if risk not in known)


def _identity(change: ResourceChange, before: _Body, after: _Body) -> Iterator[Risk]:
    if not change.id.kind.startswith("AWS::IAM::"):
        return
    name = shown(change.id)
    changed = {key for key in before.keys() | after.keys() if before.get(key, ABSENT) != after.get(key, ABSENT)}
    if _TRUST in changed:
        yield Risk("iam", f"Who may act as {name} changes ({_TRUST}).")
    if changed & _POLICIES or change.id.kind.endswith("::AccessKey"):
        yield Risk("iam", f"What {name} allows changes.")
    for arn in sorted(_arns(after) - _arns(before)):
        if arn.endswith(_ADMINISTRATORS):
            yield Risk("iam", f"{name} gets {shown(arn.rpartition('/')[2])}.", Weight.HIGH)
    if before.get("PermissionsBoundary") and not after.get("PermissionsBoundary"):
        yield Risk("iam", f"{name} is no longer limited (PermissionsBoundary).", Weight.HIGH)


def _arns(properties: _Body) -> set[str]:
    return {each for each in _listed(properties.get("ManagedPolicyArns")) if isinstance(each, str)}


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _statements(value: Json) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """All statements that allow something, with the name of the property in which their policy stands."""
    if isinstance(value, list):
        for each in value:
            yield from _statements(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, Mapping) and "Statement" in each:
                found = [one for one in _listed(each["Statement"]) if isinstance(one, Mapping)]
                yield from ((name, one) for one in found if one.get("Effect") == "Allow")
            yield from _statements(each)


def _granted(properties: _Body) -> dict[Permission, None] | None:
    """``None``: too much to be compared."""
    found: dict[Permission, None] = {}
    for name, statement in _statements(properties):
        if name == _TRUST:
            continue
        actions, resources = _texts(statement, "Action"), _texts(statement, "Resource") or [""]
        if "Principal" in statement:  # a policy of a resource, in which * is that resource
            resources = ["" if resource == _ANY else resource for resource in resources]
        if len(found) + len(actions) * len(resources) > MAX_PERMISSIONS:
            return None
        found.update(dict.fromkeys(product(actions, resources)))
    return found


def _texts(statement: Mapping[str, Json], key: str) -> list[str]:
    if f"Not{key}" in statement:
        return [_ANY]
    texts = [each for each in _listed(statement.get(key)) if isinstance(each, str)]
    return [text.lower() for text in texts] if key == "Action" else texts


def _gained(old: Mapping[Permission, None], new: Mapping[Permission, None]) -> Iterator[Risk]:
    wide = [one for one in old if one[0].endswith(_ANY) or one[1].endswith(_ANY)][:MAX_PERMISSIONS]
    actions: dict[str, list[str]] = {}
    checked = 0
    for one in new:
        if not _is_wide(one) or one in old:
            continue
        checked += len(wide)
        if checked > MAX_PERMISSIONS * 100 or not any(_covers(other, one) for other in wide):
            actions.setdefault(one[1], []).append(one[0])
    for resource, names in actions.items():
        where = {"": "", _ANY: " on every resource"}.get(resource, f" on {shown(resource)}")
        strong = any(name == _ANY or (name in _STRONG and resource == _ANY) for name in names)
        yield Risk("iam", f"Allows {_some(names)}{where}.", Weight.HIGH if strong else Weight.MEDIUM)


def _is_wide(one: Permission) -> bool:
    return _ANY in one[0] or one[1] == _ANY


def _covers(wide: Permission, one: Permission) -> bool:
    return all(
        other == text or (other.endswith(_ANY) and text.startswith(other[:-1]))
        for other, text in zip(wide, one, strict=True)
    )


def _some(names: Iterable[str]) -> str:
    found = ["every action" if name == _ANY else shown(name) for name in names]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _open(properties: _Body) -> Iterator[Risk]:
    """Policies that let in everybody."""
    for name, statement in _statements(properties):
        who = statement.get("Principal")
        everybody = "NotPrincipal" in statement or _ANY in _listed(who) or _ANY in _listed(at(who, "AWS"))
        if not everybody:
            continue
        limited = bool(statement.get("Condition"))
        what = _some([each for each in _listed(statement.get("Action")) if isinstance(each, str)]) or "some actions"
        text = f"Lets everybody do {what} ({shown(name)}){', under conditions' if limited else ''}."
        yield Risk("exposure", text, Weight.MEDIUM if limited else Weight.HIGH)

"""Risks of Terraform changes, in the words and codes of :mod:`apps.rendering.comparing.risks`. Pure.

As there, only what a change brings is a risk. Bodies have lost their secrets already: where one stood, that is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.rendering.comparing.paths import words
from apps.rendering.comparing.risks.hidden import hidden_risks
from apps.rendering.comparing.risks.reading import shown
from apps.rendering.model import ABSENT, Action, ResourceChange, ResourceId, Risk, Weight
from apps.rendering.terraform.exposure import exposure_facts
from apps.rendering.terraform.kinds import (
    ENCRYPTING,
    GIVES_RIGHTS,
    LOSSES,
    PLACES,
    PROTECTIONS,
    PROTECTS_UNSET,
    SHIELDING,
    SHIELDS,
)
from apps.rendering.terraform.rights import rights_facts

_NO_RIGHTS = frozenset(
    {"tags", "tags_all", "description", "labels", "effective_labels", "terraform_labels", "timeouts"}
)
_RIGHTS = {
    Action.CREATE: "gives rights",
    Action.UPDATE: "changes rights",
    Action.REPLACE: "changes rights",
    Action.DELETE: "takes rights away",
}


def plan_risks(change: ResourceChange) -> tuple[Risk, ...]:
    """The risks that ``change`` brings, the heavy ones first."""
    hidden = hidden_risks(change.before, change.after, PLACES)
    found = dict.fromkeys((*_actions(change), *_rights(change), *_guards(change), *hidden))
    for facts in (exposure_facts, rights_facts):
        known = set(facts(change.id.kind, change.before)) if change.before is not None else set()
        new = facts(change.id.kind, change.after) if change.after is not None else ()
        found.update(dict.fromkeys(risk for risk in new if risk not in known))
    return tuple(sorted(found, key=lambda risk: risk.weight is not Weight.HIGH))


def state_risks(identity: ResourceId, told: tuple[str, ...]) -> tuple[Risk, ...]:
    """What Terraform remembers becomes different, and the resource does not."""
    return tuple(Risk("state", f"{shown(identity.name)} {words}.") for words in told)


def _actions(change: ResourceChange) -> Iterator[Risk]:
    name, kind = shown(change.id.name), change.id.kind
    loss = LOSSES.get(kind, "")
    if change.action is Action.DELETE:
        yield Risk("destroy", f"{name} is deleted. {loss}".strip(), Weight.HIGH if loss else Weight.MEDIUM)
    elif change.action is Action.REPLACE:
        fields = ", ".join(shown(words(path)) for path in change.replace_paths[:5])
        why = f" because {fields} cannot be changed in place" if fields else ""
        yield Risk("replace", f"{name} must be deleted and created again{why}.", Weight.HIGH if loss else Weight.MEDIUM)
        if loss:
            yield Risk("destroy", f"{name} is deleted on the way. {loss}", Weight.HIGH)
    if change.action in {Action.DELETE, Action.REPLACE} and kind in SHIELDS:
        yield Risk("exposure", f"{name} is taken away. {SHIELDS[kind]}", Weight.HIGH)


def _rights(change: ResourceChange) -> Iterator[Risk]:
    """Every change of rights is told, whatever it says; what only describes is none."""
    if not GIVES_RIGHTS.match(change.id.kind):
        return
    if change.action is Action.UPDATE and all(field.path[0] in _NO_RIGHTS for field in change.fields):
        return
    yield Risk("iam", f"{shown(change.id.name)} {_RIGHTS[change.action]}.")


def _guards(change: ResourceChange) -> Iterator[Risk]:
    """What protected, or shielded, before and does no more, at any depth."""
    for field in change.fields:
        name = field.path[-1]
        was_set = field.before is not ABSENT and field.before is not None
        if not isinstance(name, str) or not (was_set or name in PROTECTS_UNSET):
            continue
        where = shown(words(field.path))
        before = field.before if was_set else PROTECTIONS[name]
        if name in PROTECTIONS and before is PROTECTIONS[name] and field.after is not PROTECTIONS[name]:
            yield Risk("destroy", f"The protection against deletion is switched off ({where}).", Weight.HIGH)
        if name in SHIELDING and field.before is SHIELDING[name] and field.after is not SHIELDING[name]:
            yield Risk("exposure", f"It is no longer shielded from outside ({where}).", Weight.HIGH)
        if name in ENCRYPTING and field.before is True and field.after is not True:
            yield Risk("exposure", f"What it holds is no longer encrypted ({where}).", Weight.HIGH)
        if name == "backup_retention_period" and field.before != 0 and field.after == 0:
            yield Risk("destroy", f"Backups are no longer made ({where}).", Weight.HIGH)

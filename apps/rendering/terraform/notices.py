"""What a Terraform plan says beside its resource changes, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at, shown, shown_apart
from apps.rendering.model import UNKNOWN, Json
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform.hiding import Cleaner
from apps.rendering.terraform.values import canonical, hidden, joined_marks, with_unknown

_MOST = 100
_NO_OP = ["no-op"]


def warnings_of(plan: Mapping[str, Json], clean: Cleaner) -> tuple[str, ...]:
    """At most a hundred sentences, without secrets; how many more there are is the last one."""
    found = [
        *_incomplete(plan),
        *_drift(plan, clean),
        *_outputs(plan, clean),
        *_checks(plan, clean),
    ]
    more = [f"{len(found) - _MOST} more warnings are not shown."] if len(found) > _MOST else []
    return tuple(dict.fromkeys((*found[:_MOST], *more)))


def _incomplete(plan: Mapping[str, Json]) -> Iterator[str]:
    if plan.get("complete", True) is not True:
        yield "The plan is not complete: after it is applied, another one is needed to reach what the code says."
    deferred = plan.get("deferred_changes")
    if deferred:
        count = len(deferred) if isinstance(deferred, list) else 1
        yield f"Terraform puts off {count} changes until more is known; they are not shown."
    for key in ("action_invocations", "deferred_action_invocations"):
        if plan.get(key):
            yield "Terraform would run actions of providers, which are not shown. Such a plan is not applied by the portal."


def _drift(plan: Mapping[str, Json], clean: Cleaner) -> Iterator[str]:
    for entry in mappings_at(plan, "resource_drift"):
        gone = at(entry, "change", "actions") == ["delete"]
        what = "was deleted" if gone else "was changed"
        yield f"{_clean(entry.get('address'), clean)} {what} outside of Terraform since it was last applied."


def _outputs(plan: Mapping[str, Json], clean: Cleaner) -> Iterator[str]:
    for name, change in sorted(mapping_at(plan, "output_changes").items()):
        actions = at(change, "actions")
        if actions == _NO_OP or not isinstance(change, Mapping):
            continue
        marks = joined_marks(change.get("before_sensitive"), change.get("after_sensitive"))
        after = with_unknown(change.get("after"), change.get("after_unknown"))
        old = _value(name, change.get("before"), marks, clean)
        new = _value(name, after, marks, clean)
        label = _clean(name, clean)
        if actions == ["create"]:
            yield f"The output {label} is new: {shown(new)}."
        elif actions == ["delete"]:
            yield f"The output {label} goes away; it was {shown(old)}."
        else:
            was, now = shown_apart(old, new)
            yield f"The output {label} changes from {was} to {now}."


def _value(name: str, value: Json, marks: Json, clean: Cleaner) -> str:
    safe = next(iter(clean.value({name: hidden(value, marks, clean.fingerprint)}).values()))
    if safe is UNKNOWN:
        return "known after it is applied"
    if isinstance(safe, str):
        return clean_message(safe) or "empty"
    return canonical(safe).decode("ascii")


def _checks(plan: Mapping[str, Json], clean: Cleaner) -> Iterator[str]:
    for check in mappings_at(plan, "checks"):
        if check.get("status") in {"fail", "error"}:
            name = _clean(at(check, "address", "to_display"), clean)
            yield f"The check {name} of the code fails."


def _clean(value: Json, clean: Cleaner) -> str:
    return shown(clean.name(value))

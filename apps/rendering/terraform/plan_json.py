"""The plan of Terraform, as ``terraform show -json`` prints it (format 1), as a difference. Pure.

Everything that comes out has lost its secrets: what Terraform marks as sensitive, and what its name or its looks say is
secret. What is not a plan, or not a whole one, is refused; what a difference cannot say is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from apps.rendering.comparing.equality import same, within_limits
from apps.rendering.comparing.fields import field_changes
from apps.rendering.comparing.risks.reading import mapping_at, shown, text_at
from apps.rendering.comparing.shapes import UNKNOWN as PLAIN
from apps.rendering.model import (
    Action,
    Difference,
    Failure,
    Json,
    RenderError,
    ResourceChange,
    ResourceId,
    Step,
    ToolIdentity,
)
from apps.rendering.planning import Planned
from apps.rendering.redaction import Fingerprint, unmarked
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform.documents import load
from apps.rendering.terraform.hiding import Cleaner, secrets_in
from apps.rendering.terraform.notices import warnings_of
from apps.rendering.terraform.outputs import OUTPUT, as_resources
from apps.rendering.terraform.risks import plan_risks, state_risks
from apps.rendering.terraform.values import hidden, joined_marks, readable, with_unknown

_FORMAT = re.compile(r"1\.\d+")
_VERSION = re.compile(r"\d+\.\d+\.\d+[0-9A-Za-z.+-]{0,40}")
_NOTHING, _READ, _FORGET = ("no-op",), ("read",), ("forget",)
_ACTIONS: Mapping[tuple[str, ...], Action] = {
    ("create",): Action.CREATE,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("create", "forget"): Action.REPLACE,
    _FORGET: Action.UPDATE,
    _NOTHING: Action.UPDATE,
}
_ORDER = {action: at for at, action in enumerate(Action)}
_PLAN = "the plan"
_NO_PLAN = "It is no plan: hand in what terraform show -json prints for a plan file."
_NO_CHANGES = "It is a state or a configuration, and no plan: hand in what terraform show -json prints for a plan file."
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One of ``resource_changes``, checked. Bodies have lost their secrets."""

    id: ResourceId
    actions: tuple[str, ...]
    before: dict[str, Json] | None
    after: dict[str, Json] | None
    replace_paths: tuple[tuple[Step, ...], ...] = ()
    told: tuple[str, ...] = ()
    """What becomes different in the state alone."""


def read_plan(data: bytes, fingerprint: Fingerprint) -> Planned:
    """A plan that a pipeline handed in. Raises what :func:`planned` raises, and ``TOO_LARGE``."""
    return planned(load(data), fingerprint)


def planned(document: Json, fingerprint: Fingerprint, secrets: Iterable[str] = ()) -> Planned:
    """``secrets``: texts to be hidden beside those that the plan itself says. Raises ``UNSUPPORTED`` for another format, ``REFUSED`` for what is no plan, or one that ended with an error."""
    if not isinstance(document, Mapping):
        raise RenderError(Failure.REFUSED, _NO_PLAN)
    _check_format(document)
    try:
        plan: Mapping[str, Json] = unmarked(document, fingerprint)
        clean = Cleaner(secrets_in(plan).union(unmarked(list(secrets), fingerprint)), fingerprint)
        found = entries(plan, clean)
        changes = tuple(sorted(map(change_of, found), key=lambda change: (_ORDER[change.action], change.id)))
        difference = Difference(changes, len(_values(plan)) - len(changes))
        warnings = warnings_of(plan, clean)
    except RecursionError:
        raise RenderError(Failure.TOO_LARGE, "The plan has too many levels; it is not compared.") from None
    return Planned(difference, tool_of(plan), warnings=warnings)


def tool_of(plan: Mapping[str, Json]) -> ToolIdentity:
    """What made the plan, by its own word."""
    version = plan.get("terraform_version")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise _wrong("terraform_version", "is no version")
    return ToolIdentity("terraform", version)


def entries(plan: Mapping[str, Json], clean: Cleaner) -> tuple[Entry, ...]:
    """All changes of resources and outputs. Raises ``REFUSED`` where two of them change one resource."""
    values = _values(plan)
    if len(values) > _MOST:
        raise RenderError(Failure.TOO_LARGE, f"The plan has {len(values):,} resources; at most {_MOST:,} are read.")
    found: dict[ResourceId, Entry] = {}
    for where, value in values:
        entry = _entry(_mapping(value, where), where, clean)
        if entry is not None and found.setdefault(entry.id, entry) is not entry:
            raise _wrong(where, "changes a resource that another one changes, too")
    return tuple(found.values())


def _values(plan: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """Resources, and the outputs that change, each with its place in the plan."""
    resources = _list(plan.get("resource_changes"), "resource_changes")
    found = [(f"resource_changes[{at}]", value) for at, value in enumerate(resources)]
    return [*found, *((f"output_changes[{at}]", value) for at, value in enumerate(as_resources(plan)))]


def change_of(entry: Entry) -> ResourceChange:
    """What happens to the resource, with its fields and risks. One that is forgotten stays what it is."""
    after = entry.before if entry.actions == _FORGET else entry.after
    for body in (entry.before, after):
        within_limits(body or {})
    change = ResourceChange(
        entry.id, _ACTIONS[entry.actions], before=entry.before, after=after, replace_paths=entry.replace_paths
    )
    if entry.before is not None and after is not None:
        change = replace(change, fields=field_changes(entry.before, after, PLAIN))
    if entry.id.kind == OUTPUT:  # nothing is destroyed with it, nor reachable through it
        return change
    return replace(change, risks=(*plan_risks(change), *state_risks(change.id, entry.told)))


def _check_format(plan: Mapping[str, Json]) -> None:
    version = plan.get("format_version")
    if not isinstance(version, str):
        raise RenderError(Failure.REFUSED, _NO_PLAN)
    if not _FORMAT.fullmatch(version):
        shown = clean_message(version)[:20]
        raise RenderError(
            Failure.UNSUPPORTED, f"Plans of the format {shown} are not understood here, only 1.0 and later of 1."
        )
    if plan.get("errored", False) is not False:
        raise RenderError(Failure.REFUSED, "The plan ended with errors, so it does not say all that would happen.")
    if not {"resource_changes", "planned_values"} & plan.keys():
        raise RenderError(Failure.REFUSED, _NO_CHANGES)


def _entry(value: Mapping[str, Json], where: str, clean: Cleaner) -> Entry | None:
    """``None`` for what is only read, and for what stays as it is."""
    if "change" not in value:
        raise _wrong(where, "has no change")
    change = _mapping(value["change"], f"{where}.change")
    actions = tuple(map(str, _list(change.get("actions"), f"{where}.change.actions")))
    if actions not in {*_ACTIONS, _READ}:
        shown = clean.name("/".join(actions))[:60]
        raise RenderError(Failure.REFUSED, f"{where} of the plan: nobody here knows the action {shown}.")
    before, after = _bodies(change, where, clean)
    told = tuple(_told(value, actions, clean))
    if actions == _READ or (actions == _NOTHING and same(before, after) and not told):
        return None
    _check_sides(actions, before, after, where)
    paths = _replace_paths(change, where, before, after)
    return Entry(_identity(value, where, clean), actions, before, after, paths, told)


def _check_sides(actions: tuple[str, ...], before: Json, after: Json, where: str) -> None:
    """A change that creates has nothing before it, one that deletes nothing after it, and all others have both sides."""
    needed = (actions != ("create",), actions not in {("delete",), _FORGET})
    if (before is not None, after is not None) != needed:
        raise _wrong(f"{where}.change", "does not have the sides that its actions need")


def _told(value: Mapping[str, Json], actions: tuple[str, ...], clean: Cleaner) -> Iterator[str]:
    previous, importing = value.get("previous_address"), mapping_at(value, "change").get("importing")
    if previous is not None and previous != value.get("address"):
        yield f"was {shown(clean.name(previous))} until now; only its address moves"
    if importing is not None:
        known = text_at(importing, "id")
        yield f"exists already and is imported{f' (id {shown(clean.name(known))})' if known else ''}"
    if actions == _FORGET:
        yield "stays as it is, but Terraform manages it no longer"
    if actions == ("create", "forget"):
        yield "is created anew; the one that is there stays, but Terraform manages it no longer"


def _bodies(
    change: Mapping[str, Json], where: str, clean: Cleaner
) -> tuple[dict[str, Json] | None, dict[str, Json] | None]:
    """Both sides without secrets. What one side takes for sensitive is hidden on the other, too."""
    marks = joined_marks(change.get("before_sensitive"), change.get("after_sensitive"))
    before, after = change.get("before"), change.get("after")
    if after is not None:
        after = with_unknown(after, change.get("after_unknown"))
    return _body(before, marks, f"{where}.change.before", clean), _body(after, marks, f"{where}.change.after", clean)


def _body(value: Json, marks: Json, where: str, clean: Cleaner) -> dict[str, Json] | None:
    if value is None:
        return None
    if not isinstance(marks, Mapping):  # the whole resource: each of its fields, so that it stays a body
        marks = dict.fromkeys(_mapping(value, where), bool(marks))
    body = clean.value(hidden(_mapping(value, where), marks, clean.fingerprint))
    return dict(_mapping(body, where))


def _identity(value: Mapping[str, Json], where: str, clean: Cleaner) -> ResourceId:
    """A deposed object (left over from a replacement) is another one than what stands at its address."""
    names = (_text(value.get(key), f"{where}.{key}") for key in ("provider_name", "type", "address"))
    api, kind, address = map(clean.name, names)
    deposed = value.get("deposed")
    if deposed is not None:
        address += f" (deposed {clean_message(_text(deposed, f'{where}.deposed'))})"
    return ResourceId(api, kind, "", address)


def _replace_paths(change: Mapping[str, Json], where: str, before: Json, after: Json) -> tuple[tuple[Step, ...], ...]:
    found = []
    for value in _list(change.get("replace_paths"), f"{where}.change.replace_paths"):
        path = tuple(_list(value, f"{where}.change.replace_paths"))
        if not all(isinstance(step, str | int) and not isinstance(step, bool) for step in path):
            raise _wrong(f"{where}.change.replace_paths", "are no paths")
        found.append(readable(path, before, after))
    return tuple(dict.fromkeys(path for path in found if path))


def _mapping(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "is no object")
    return value


def _list(value: Json, where: str) -> list[Json]:
    """What is left out is empty."""
    if value is not None and not isinstance(value, list):
        raise _wrong(where, "is no list")
    return value or []


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(where, "is no text")
    return value


def _wrong(where: str, what: str) -> RenderError:
    subject = "The plan" if where == _PLAN else f"{where} of the plan"
    return RenderError(Failure.REFUSED, f"{subject} {what}.")

"""Drift of an application as Argo CD tells it: which commit it compares with, what is out of sync, and the fields of that.

Argo CD compares with the commit that it follows. Only where that is the commit of the ledger, or contains it with nothing in
between that reaches the environment, its answer is about what was deployed; anywhere else it says which commit is there, or
the portal says that it cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import ResourceState, Run
from apps.deployments.dispatchers.argo_application import Application
from apps.deployments.dispatchers.drift import (
    MISSING,
    TOLD,
    CannotTell,
    Finding,
    Found,
    at_other_commit,
    digest_of,
    of_field,
)
from apps.deployments.dispatchers.kube_resources import Item, field_changes
from apps.deployments.dispatchers.remote import listed, mapping, read_json
from apps.deployments.dispatchers.standing import DEGRADED, DOWN, HEALTHY, UNKNOWN, Standing, named
from apps.deployments.dispatchers.words import said
from apps.rendering.model import FieldChange

NOT_LOOKED = "What Argo CD is told to ignore is not compared."
NO_FIELDS = "Argo CD did not tell the fields of what is out of sync."
NOT_WELL = ("degraded", "missing", "progressing")
EXTRA_STATUS = "it is no longer in Git, and Argo CD would prune it"


def find_drift(run: Run, look: Callable[[], Application], managed: Callable[[], Iterable[Mapping[str, Any]]]) -> Found:
    """``look`` asks for the application anew, ``managed`` for both sides of its resources."""
    app = look()
    if listed(mapping(app.body.get("spec")).get("sources")):
        raise CannotTell(
            "several_sources", "The application has several sources, so one commit does not say what it is."
        )
    if app.is_busy:
        raise CannotTell("busy", "Argo CD is at work on the application; it is looked at again.")
    applied = _applied(app)
    if applied and applied != run.commit and not run.is_as_deployed(applied):
        return Found((_of_commit(run, applied),), (NOT_LOOKED,), (), 0)
    sync = mapping(app.status.get("sync"))
    compared, word = str(sync.get("revision") or ""), str(sync.get("status") or "Unknown")
    if compared != run.commit and not run.is_as_deployed(compared):
        text = (
            f"Argo CD compares with {app.words(compared)[:10] or 'no commit'}, which it follows, and {run.commit[:10]} was "
            "deployed: its answer is about another commit."
        )
        raise CannotTell("other_commit", text)
    notes = (*at_other_commit(run, "Argo CD", compared), NOT_LOOKED)
    if word == "Synced":
        return Found((), notes, (), len(listed(app.status.get("resources"))))
    if word != "OutOfSync":
        raise CannotTell("not_known", f"Argo CD does not know whether it is in sync: {_why(app) or word}.")
    return _out_of_sync(run, app, managed, notes)


def standing(app: Application, resources: Iterable[ResourceState]) -> Standing:
    """Its health as Argo CD has it now, whatever commit it is at; "progressing" is not up, long after a deployment."""
    if app.health == "Healthy":
        return Standing(HEALTHY)
    if app.health not in {"Degraded", "Progressing", "Missing"}:
        return Standing(UNKNOWN, f"Argo CD says that its health is {app.words(app.health)}.")
    told = [one for one in resources if one.health in {"healthy", *NOT_WELL}]
    bad = [(f"{one.kind} {one.name}", one.health, one.message) for one in told if one.health != "healthy"]
    is_down = bool(told) and all(one.health == "missing" for one in told)
    return Standing(DOWN if is_down else DEGRADED, named(bad) or f"Argo CD says {app.words(app.health)}.")


def _applied(app: Application) -> str:
    """The commit of the newest entry of the history; empty where Argo CD keeps none."""
    history = listed(app.status.get("history"))
    return str(history[-1].get("revision") or "") if history else ""


def _of_commit(run: Run, applied: str) -> Finding:
    where = f"Application {run.options.get('application')}"
    return Finding(
        where, TOLD, "revision", run.commit[:12], said(run.outside, applied, 12), digest=digest_of(run.commit, applied)
    )


def _why(app: Application) -> str:
    messages = (app.words(one.get("message")) for one in listed(app.status.get("conditions")))
    return next((message for message in messages if message), "")


def _out_of_sync(
    run: Run, app: Application, managed: Callable[[], Iterable[Mapping[str, Any]]], notes: tuple[str, ...]
) -> Found:
    rows = listed(app.status.get("resources"))
    differing = [one for one in rows if str(one.get("status") or "Synced") != "Synced"]
    try:
        sides = {_key(one): one for one in managed()}
    except Unavailable:
        sides = {}
        notes = (*notes, NO_FIELDS)
    found: list[Finding] = []
    for one in differing:
        found += _of_resource(run, app, one, sides.get(_key(one)))
    if not found:
        found = [
            Finding(f"Application {run.options.get('application')}", TOLD, "", "in sync", "out of sync", is_vague=True)
        ]
    return Found(tuple(found), notes, (), len(rows))


def _key(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get(key) or "") for key in ("group", "kind", "namespace", "name"))


def _of_resource(run: Run, app: Application, one: Mapping[str, Any], sides: Mapping[str, Any] | None) -> list[Finding]:
    namespace = app.words(one.get("namespace"))
    name = f"{app.words(one.get('kind'))} {f'{namespace}/' if namespace else ''}{app.words(one.get('name'))}"
    if mapping(one.get("health")).get("status") == "Missing":
        return [Finding(name, MISSING, wanted="there", found="gone")]
    if one.get("requiresPruning") is True:
        return [Finding(name, TOLD, wanted="gone", found=EXTRA_STATUS)]
    fields = _fields(run, sides) if sides is not None else []
    found = app.words(one.get("status")).lower() or "out of sync"
    return [_of_field(name, one, change) for change in fields] or [
        Finding(name, TOLD, wanted="in sync", found=found, is_vague=True)
    ]


def _of_field(name: str, one: Mapping[str, Any], change: FieldChange) -> Finding:
    """Of a Secret Argo CD puts the same stars in place of whatever is there."""
    finding = of_field(name, change)
    is_hidden = one.get("kind") == "Secret" and change.path[:1] in {("data",), ("stringData",)}
    return replace(finding, is_vague=True) if is_hidden else finding


def _fields(run: Run, sides: Mapping[str, Any]) -> list[FieldChange]:
    """Both sides as Argo CD compared them; it has put stars in place of the values of Secrets already."""
    wanted, found = (_body(sides.get(key)) for key in ("predictedLiveState", "normalizedLiveState"))
    if not wanted or not found:
        return []
    return field_changes(Item(wanted), wanted, found, run)


def _body(text: Any) -> dict[str, Any]:
    try:
        return mapping(read_json(text)) if isinstance(text, str) else {}
    except ValueError:
        return {}

"""What earlier runs left in a cluster: what one may have brought, and deleting it where it is certain that it still is that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apps.deployments.dispatchers import Applied, Run
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, NoSuchKind, metadata
from apps.deployments.dispatchers.kube_resources import owner_of, why_not_ours

WRITES = frozenset({"first", "recheck", "apply"})
"""Stages in which it is sent what was announced: nothing is before them, and after them all of it was answered."""
OVER = "wait"
"""The stage of a run that has applied and pruned all that it was to."""


class Kept(Exception):
    """Why an object is not to be deleted."""


def brought(stage: str, ledger: Sequence[Sequence[str]], announced: Sequence[Sequence[str]]) -> list[Applied]:
    """What a run that came so far has applied, and what it may have: its worker was killed, or it was never answered."""
    answered = {tuple(entry[:4]) for entry in ledger}
    sent = [entry for entry in announced if tuple(entry[:4]) not in answered] if stage in WRITES else []
    return [Applied(*map(str, entry)) for entry in (*ledger, *sent)]


def named(old: Applied) -> str:
    """How people call it: ``Deployment web/shop``."""
    return f"{old.kind} {f'{old.namespace}/' if old.namespace else ''}{old.name}"


def still_there(old: Applied, run: Run, api: KubeApi) -> dict[str, Any]:
    """The object as it is, which is ours; :class:`Kept` says why it is not."""
    try:
        path = _path(old, api)
    except NoSuchKind:
        raise Kept("kept, the cluster no longer knows its kind") from None
    live = api.get(path)
    if live is None:
        raise Kept("is gone already")
    reason = why_not_ours(live, old, owner_of(run))
    if reason:
        raise Kept(f"kept, {reason}")
    return live


def prune(old: Applied, run: Run, api: KubeApi, applied: Iterable[Applied], say: Callable[[str], None]) -> None:
    """Delete what an earlier run brought, if it is certain that it still is that, and never what this one has ``applied``."""
    name = named(old)
    try:
        uid = str(metadata(still_there(old, run, api)).get("uid"))
    except Kept as reason:
        if old.uid:  # else nobody knows whether it was there at all
            say(f"{name}: {reason}")
        return
    if uid in {one.uid for one in applied}:
        return
    body = {
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": {"uid": uid},
    }  # fmt: skip
    try:
        api.change("DELETE", _path(old, api), json=body)
    except Answered as problem:
        if problem.status not in {404, 409}:
            text = f"{name} is no longer rendered and could not be deleted: {problem.words}."
            raise Answered(problem.status, text) from None
    say(f"{name}: deleted{f'; brought by {old.by}' if old.by else ''}")


def _path(old: Applied, api: KubeApi) -> str:
    return api.place(old.api_version, old.kind).one(old.namespace, old.name)

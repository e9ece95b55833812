"""Fields of others: taken only from the managers that ``takeOver`` of portal.yaml names, and only as they were seen.

What ``kubectl apply`` or Helm made before is theirs, field by field, also where it is equal; without this the first change of a
value would be refused for ever. Names of managers stand in the policy, so who may be taken over was reviewed and approved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, metadata


def apply(
    run: Run, api: KubeApi, path: str, body: Mapping[str, Any], *, dry: bool, say: Callable[[str], None]
) -> tuple[dict[str, Any], bool]:
    """Server-side apply; with what others own, where each of them may be taken over. Raises as :meth:`KubeApi.apply`."""
    try:
        return api.apply(path, body, dry=dry)
    except Answered as problem:
        _require_takeable(run, problem)
        say(f"is taken over: {problem.words}")
    return api.apply(path, body, dry=True, force=True) if dry else _taken(run, api, path, body)


def _taken(run: Run, api: KubeApi, path: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """By force only of the version whose owners were told: who comes in between makes it a conflict, and it is tried again."""
    live = api.get(path)
    if live is None:
        return api.apply(path, body, dry=False)
    seen = {**body, "metadata": {**metadata(body), "resourceVersion": metadata(live).get("resourceVersion")}}
    try:
        return api.apply(path, seen, dry=False)
    except Answered as problem:
        _require_takeable(run, problem)
    return api.apply(path, seen, dry=False, force=True)


def _require_takeable(run: Run, problem: Answered) -> None:
    named = set(run.options.get("takeOver") or ())
    if not problem.owners or not problem.owners <= named:
        raise problem

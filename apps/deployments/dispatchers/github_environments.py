"""The environment of a deployment as GitHub shows it: deployments and their statuses (REST API).

Written only when ``deploy.environment`` is there. A deployment is created once a key: it is looked for by the
key in its payload first. What cannot be written later on is left out: the run is what counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import NotSent, Refused, Run
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import belongs, listed, mapping, plain, read_json, whole_number

STATES = {"succeeded": "success", "failed": "failure", "cancelled": "error"}
SAID = {"success": "It was deployed.", "failure": "It failed.", "error": "It was cancelled, or nobody knows."}


def create_deployment(client: Client, run: Run, repository: str) -> int:
    """The deployment of this key, created if there is none; 0 where none is wanted. Nothing runs by it."""
    environment = str(run.options.get("environment") or "")
    if not environment:
        return 0
    known = _ours(client.ask_first(f"{repository}/deployments", params=_asked(run)), run)
    if known:
        return known
    body = {
        "ref": run.commit,
        "environment": environment,
        "auto_merge": False,
        "required_contexts": [],
        "payload": {"portal_key": run.key, **{name.lower(): value for name, value in run.environment.items()}},
        "description": plain(f"Change {run.environment.get('PORTAL_CHANGE')}", 140),
    }
    try:
        told = mapping(client.change("POST", f"{repository}/deployments", json=body).json())
        belongs(told, sha=run.commit)
        return whole_number(told.get("id"))
    except Refused:
        raise
    except Unavailable as problem:  # the workflow was not asked for yet; the next try finds the deployment by its key
        raise NotSent(problem.code, problem.message, **problem.details) from problem


def find_deployment(client: Client, run: Run, repository: str) -> int:
    """The deployment of this key, also when its number is not known because an answer was lost; 0 when there is none."""
    if run.external.get("deployment") or not run.options.get("environment"):
        return int(run.external.get("deployment") or 0)
    return _ours(client.read(f"{repository}/deployments", params=_asked(run)).json(), run)


def note(client: Client, path: str, state: str, said: str, link: str = "") -> None:
    """A status of the deployment at ``path``; without one, or when GitHub does not take it, nothing."""
    if path:
        with contextlib.suppress(Unavailable):
            client.change("POST", f"{path}/statuses", json=_status(state, said, link))


def note_end(client: Client, path: str, outcome: str, link: str) -> None:
    """How it ended, unless that was said already."""
    if not path:
        return
    state = STATES.get(outcome, "error")
    newest = listed(client.read(f"{path}/statuses", params={"per_page": "1"}).json())[:1]
    if not newest or newest[0].get("state") != state:
        note(client, path, state, SAID[state], link)


def _asked(run: Run) -> dict[str, str]:
    return {"sha": run.commit, "environment": str(run.options["environment"]), "per_page": "100"}


def _ours(told: Any, run: Run) -> int:
    ours = (one.get("id") for one in listed(told) if _key_in(one) == run.key)
    return next((number for number in ours if isinstance(number, int)), 0)


def _status(state: str, said: str, link: str) -> dict[str, Any]:
    return {"state": state, "description": said, **({"log_url": link} if link else {})}


def _key_in(told: Mapping[str, Any]) -> str:
    """The key in a payload, which GitHub keeps as an object or as its text."""
    payload = told.get("payload")
    if isinstance(payload, str):
        with contextlib.suppress(ValueError):
            payload = read_json(payload)
    return str(mapping(payload).get("portal_key", ""))

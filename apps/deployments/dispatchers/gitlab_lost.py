"""Which pipeline of GitLab is ours, when the answer to its start was lost.

The key alone does not tell: who learned it may have started a pipeline with it. So what has the key must also be what was asked
for: of this ref and source, with every variable that was sent, started by the user of the connection. Whose a trigger token is
GitLab does not say; what was started by one must be at the approved commit instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from apps.core.clock import now
from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.answers import FORBIDDEN, NOT_THERE
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import (
    belongs,
    listed,
    mapping,
    moment,
    plain,
    spelled,
    the_one,
    told_variables,
    whole_number,
)

MOST_SUSPECTS = 20
SKEW = timedelta(minutes=2)
"""By how much GitLab's clock may be behind ours."""


def trigger_of(run: Run) -> str:
    """The trigger token of the connection; empty: pipelines are started as its user."""
    return run.outside.credentials.get("trigger_token", "") if run.outside else ""


def sent_variables(run: Run) -> dict[str, str]:
    """What the pipeline is given: the variables of portal.yaml, and ours, which they cannot replace."""
    variables = {name: spelled(value) for name, value in (run.options.get("variables") or {}).items()}
    return variables | told_variables(run)


def find(client: Client, run: Run, path: str, ref: str, project: Any) -> tuple[dict[str, Any] | None, str]:
    """The pipeline in the project at ``path`` that is ours; else nothing, and what a person can do about it.

    :class:`SeveralRuns` where more than one may be.
    """
    asked = {"ref": ref, "source": _source(run), "updated_after": (_sent(run) - SKEW).isoformat()}
    params = {**asked, "order_by": "id", "sort": "desc", "per_page": str(MOST_SUSPECTS)}
    numbers = [whole_number(told.get("id")) for told in listed(client.read(f"{path}/pipelines", params=params).json())]
    given = {number: _variables(client, f"{path}/pipelines/{number}") for number in numbers}
    named = [number for number in numbers if given[number].get("PORTAL_KEY") == run.key]
    me = _user(client, run) if named else 0
    told = {number: mapping(client.read(f"{path}/pipelines/{number}").json()) for number in named}
    doubts: list[str] = []
    ours: list[dict[str, Any]] = []
    for number in named:
        belongs(told[number], id=number, project_id=project)
        doubt = _doubt(run, told[number], given[number], ref, me)
        if doubt:
            doubts.append(f"Pipeline {number} has it and is not taken for ours: {doubt}.")
        else:
            ours.append(told[number])
    hint = f"Look at the pipelines of {run.options['project']} for the variable PORTAL_KEY = {run.key}."
    return the_one(ours, "pipelines of GitLab"), " ".join([*doubts[:3], hint])


def _source(run: Run) -> str:
    return "trigger" if trigger_of(run) else "api"


def _sent(run: Run) -> Any:
    return moment(run.external.get("sent")) or now()


def _doubt(run: Run, told: Mapping[str, Any], given: Mapping[str, str], ref: str, me: int) -> str:
    """Why a pipeline that has our key is not what was asked for; empty: it is."""
    by = mapping(told.get("user"))
    if me and by.get("id") != me:
        return f"{plain(by.get('username'), 60) or 'somebody else'} started it"
    if told.get("ref") != ref or told.get("source") != _source(run):
        where, how = plain(told.get("ref"), 100), plain(told.get("source"), 40)
        return f"it was started at {where} by {how!r}, and asked for was {ref} by {_source(run)!r}"
    other = [name for name, value in sent_variables(run).items() if given.get(name) != value]
    if other:
        return f"its variable {other[0]} is not the one that was sent"
    if not me and told.get("sha") != run.commit:
        found = plain(told.get("sha"), 10)
        return (
            f"it is at {found}, not at the approved {run.commit[:10]}, and GitLab does not say whose token started it"
        )
    return ""


def _variables(client: Client, path: str) -> dict[str, str]:
    """What a pipeline was given; empty where it may not be seen."""
    answer = client.read(f"{path}/variables", allow=(FORBIDDEN, NOT_THERE))
    if answer.status >= FORBIDDEN:
        return {}
    return {str(one.get("key")): str(one.get("value")) for one in listed(answer.json())}


def _user(client: Client, run: Run) -> int:
    """Who starts our pipelines; 0 where GitLab does not tell."""
    if trigger_of(run):
        return 0
    answer = client.read("/api/v4/user", allow=(FORBIDDEN,))
    return whole_number(mapping(answer.json()).get("id")) if answer.status < FORBIDDEN else 0

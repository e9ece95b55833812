"""What a pipeline of Jenkins asks people with its step ``input`` (Pipeline: Input Step, told by Pipeline: Stage View).

Each question is a step with a key of its own, so an answer goes to exactly the question that was shown. Jenkins lists only
those that wait: one that is gone was answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Refused, Run, StepProgress, StepState
from apps.deployments.dispatchers.answers import NOT_THERE
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import NAME_MOST, as_ended, listed, plain

ANSWERS = {"play": "proceedEmpty", "stop": "abort"}
"""What a person can do here, and what Jenkins calls it."""
MOST = 50
BROKEN = 500
KIND = "input-"
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def told_by_plugin(client: Client, path: str) -> Any:
    """What the plugin answers; nothing where it is missing, :class:`Unavailable` ``bad_answer`` where it fails."""
    answer = client.read(path, allow=(NOT_THERE, BROKEN))
    if answer.status == BROKEN:
        raise Unavailable("bad_answer", "The plugin of Jenkins that tells stages and questions fails for this build.")
    return answer.json() if answer.status < NOT_THERE else None


def pending(client: Client, build: str) -> dict[str, Mapping[str, Any]]:
    """Questions of the build at the path ``build`` that wait for an answer, by id; none of another build."""
    rows = listed(told_by_plugin(client, f"{build}/wfapi/pendingInputActions"))
    return {str(row["id"]): row for row in rows if _is_of(row, build)}


def _is_of(row: Mapping[str, Any], build: str) -> bool:
    name = str(row.get("id") or "")
    path = unquote(urlsplit(str(row.get("abortUrl") or "")).path)
    return bool(_ID.fullmatch(name)) and path.endswith(f"{unquote(build)}/input/{name}/abort")


def asked(run: Run, waiting: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """All questions of the run so far, with their texts: what is stored of them."""
    known: dict[str, str] = dict(run.external.get("inputs") or {})
    new = {name: plain(row.get("message"), 60) or name for name, row in waiting.items() if name not in known}
    return dict([*known.items(), *new.items()][:MOST])


def steps(questions: Mapping[str, str], waiting: Mapping[str, Mapping[str, Any]], link: str) -> list[StepProgress]:
    """A question that waits can be answered; whether another was answered with yes, Jenkins does not tell."""
    return [
        StepProgress(
            key=f"{KIND}{name}",
            name=f"Answer to: {text}"[:NAME_MOST],
            link=f"{link}input/" if link else "",
            is_optional=True,
            offers=_offers(waiting[name]) if name in waiting else (),
            **({"state": StepState.WAITING} if name in waiting else as_ended()),
        )
        for name, text in questions.items()
    ]


def _offers(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One that asks for values can be gone on with only in Jenkins."""
    return ("stop",) if row.get("inputs") else tuple(ANSWERS)


def path_of_answer(client: Client, build: str, key: str, action: str) -> str:
    """Where the answer goes; :class:`Refused` for what the question, as it is now, does not offer."""
    name = key.removeprefix(KIND)
    row = pending(client, build).get(name) if key.startswith(KIND) else None
    if row is None or action not in _offers(row):
        raise Refused(
            "not_offered", f"Jenkins cannot {plain(action, 20)} this step now; it may have been answered already."
        )
    return f"{build}/input/{name}/{ANSWERS[action]}"

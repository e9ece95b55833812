"""Drift as a command of portal.yaml tells it, where the way of deploying cannot: shut in beside the worker, in a checkout of what is live.

It ends with 0 where nothing differs, and with ``differs`` where something does; anything else is no answer. Each line that is a JSON
object with a ``resource`` is one difference; without such a line all that it printed is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.terminal import without_sequences
from apps.deployments.command_output import hidden, how_it_ended, last_words, printed_lines
from apps.deployments.dispatchers.checking import run_command
from apps.deployments.dispatchers.drift import (
    FIELD,
    KINDS,
    MOST_VALUE,
    TOLD,
    CannotTell,
    Finding,
    Found,
    digest_of,
    value_words,
)
from apps.deployments.dispatchers.remote import plain
from apps.deployments.dispatchers.removing import remove
from apps.deployments.jobs.runs import run_of_check
from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt, Deployment
from apps.policies.config import DriftConfig
from apps.rendering.model import ABSENT

ALL_OF_IT = "What the command printed"
LONGEST_NAME, LONGEST_PATH = 300, 300


def find_by_command(attempt: Attempt, drift: DriftConfig) -> Found:
    """Ask once about what ``attempt`` brought. :class:`CannotTell` where it ended otherwise, or contradicts itself."""
    run = run_of_check(attempt.deployment, attempt)
    mask = SecretMask(run.secrets.values())
    with looking_at(attempt.deployment) as home:
        answer = run_command(run, drift.command, drift.timeout_seconds, lambda: True, home=home)
    lines = list(printed_lines(answer, mask))
    named = [one for one in map(_object_of, lines) if one is not None]
    if answer.ended.is_success:
        if named:
            raise CannotTell(
                "contradiction", "The command ended with 0, and named something that differs all the same."
            )
        return Found()
    if answer.ended.reason != "exited" or answer.ended.exit_code != drift.differs:
        why = hidden(how_it_ended(answer.ended, drift.timeout_seconds), mask)
        said = last_words(lines, mask)
        raise CannotTell("command_failed", f"The command {why}: {said}" if said else f"The command {why}.")
    return Found(tuple(_finding(one, mask) for one in named) or (_whole(lines, mask),))


@contextmanager
def looking_at(deployment: Deployment) -> Iterator[Path]:
    """The folder for what is asked at a look by a command; one looks at an environment at a time."""
    home = Path(settings.PORTAL_DATA_DIR) / "drift" / str(deployment.environment_id)
    remove(home)  # a worker that was killed left it
    try:
        yield home
    finally:
        remove(home)


def _object_of(line: str) -> dict[str, Any] | None:
    """The difference that this line names; ``None`` for words."""
    try:
        found = json.loads(without_sequences(line))
    except (ValueError, RecursionError):
        return None
    resource = found.get("resource") if isinstance(found, dict) else None
    return found if isinstance(resource, str) and resource.strip() else None


def _finding(one: dict[str, Any], mask: SecretMask) -> Finding:
    """``kind`` as in :data:`KINDS`; without it a field where there is a ``path``. What has no value on one side is absent there."""
    path = plain(one.get("path"), LONGEST_PATH)
    kind = one.get("kind")
    kind = kind if isinstance(kind, str) and kind in KINDS else FIELD if path else TOLD
    sides = [one.get(side, ABSENT) for side in ("wanted", "found")]
    words = ["" if kind != FIELD and side is ABSENT else hidden(_words(side), mask) for side in sides]
    resource = hidden(plain(one["resource"], LONGEST_NAME), mask)
    is_vague = kind in (FIELD, TOLD) and words[0] == words[1] and sides[0] == sides[1]
    return Finding(
        resource,
        kind,
        hidden(path, mask),
        words[0],
        words[1],
        digest=digest_of(resource, kind, path, *sides),
        is_vague=is_vague,
    )


def _words(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return plain(value, MOST_VALUE) if isinstance(value, str) else value_words(value)


def _whole(lines: Iterable[str], mask: SecretMask) -> Finding:
    """All that it printed; of one that said nothing only that something differs is known."""
    text = "\n".join(without_sequences(line).rstrip() for line in lines)
    found = hidden(text, mask)
    shown = found if len(found) <= MOST_VALUE else f"{found[: MOST_VALUE - 1]}\N{HORIZONTAL ELLIPSIS}"
    return Finding(ALL_OF_IT, TOLD, found=shown, digest=digest_of(found), is_vague=not found)

"""What the dispatchers of CI systems share: reading another system's words with care, and giving up in time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import quote

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.core.text import shortened
from apps.deployments.dispatchers import LOOK_FOR, NotSent, Progress, Refused, Run, RunState, StepState
from apps.vcs.history import is_known_ancestor

LOG_MOST = 16 * 1024 * 1024
"""Bytes of one step's log that are taken over; the rest stays in the other system."""
CUT_NOTE = b"\n[The log goes on. The rest is to be read in the system that ran this.]\n"
NAME_MOST = 80
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""Of a moment that another system tells: in any time zone it is one that can be shown, too."""
NOT_APPROVED = "What was approved is what runs"
Row = TypeVar("Row")


def jobs_named(run: Run) -> tuple[str, ...]:
    """The jobs that must have succeeded, as portal.yaml names them; none where it leaves that open."""
    return tuple(str(name) for name in run.options.get("jobs") or ())


def is_part_of(found: str, name: str, parts: re.Pattern[str]) -> bool:
    """Whether a job that is called ``found`` is the one of that ``name``, or one of those that became of it: ``parts`` is what follows then."""
    return found.startswith(name) and (found == name or bool(parts.fullmatch(found[len(name) :])))


@contextmanager
def asked_again() -> Iterator[None]:
    """Around what is no start: a refusal there says nothing about the run, so it is asked again later."""
    try:
        yield
    except Refused as problem:
        raise Unavailable(problem.code, problem.message, **problem.details) from problem


def plain(value: Any, most: int = 300) -> str:
    """One line without control characters, at most ``most`` characters: what others call things is not ours."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(value or "")[: most * 4])
    return " ".join(text.split())[:most]


def plain_name(value: Any, most: int = 300) -> str:
    """Like :func:`plain`; names that are too long are cut in the middle, and stay apart."""
    text = str(value or "")
    return shortened(plain(text, len(text)), most)


def web_link(value: Any) -> str:
    """The address when it leads to a web page; else nothing."""
    text = plain(value, 500)
    return text if text.startswith(("https://", "http://")) else ""


def moment(value: Any) -> datetime | None:
    """A point in time with its zone (ISO 8601), in UTC, if it is one that every clock and database can hold."""
    try:
        found = datetime.fromisoformat(str(value or ""))
        at = found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return at if at is not None and FIRST_YEAR <= at.year <= LAST_YEAR else None


def read_json(text: str | bytes) -> Any:
    """What a JSON text says; ``ValueError`` for what is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem


def whole_number(value: Any) -> int:
    """An id as the other system gives it; :class:`Unavailable` when it is something else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise Unavailable("bad_answer", "The other system answered with something that names no run.")
    return value


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def segment(value: Any) -> str:
    """A name of portal.yaml as one part of a path; :class:`Refused` for one that would lead elsewhere."""
    text = str(value)
    if text in {"", ".", ".."}:
        raise Refused("bad_name", f"{text!r} in `deploy` of portal.yaml names nothing there.")
    return quote(text, safe="")


def spelled(value: Any) -> str:
    """A value of portal.yaml as a variable has it: flags in lower case, and nothing, which older plans may have, as such."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def told_variables(run: Run) -> dict[str, str]:
    """What every run is told of why it runs, ``PORTAL_KEY`` first: by it a run is found again."""
    return {"PORTAL_KEY": run.key, **run.environment}


class SeveralRuns(Unavailable):
    """More runs than one have our key: somebody who read it started one, or repeated ours."""


def the_one(found: Iterable[Row], what: str) -> Row | None:
    """Which of those that have our key is ours: the only one, or nobody can say (:class:`SeveralRuns`)."""
    rows = list(found)
    if len(rows) > 1:
        text = f"{len(rows)} {what} have the key of this attempt, and the portal started one at most. None was stopped."
        raise SeveralRuns("several_runs", f"{text} Look there which of them ran what.")
    return rows[0] if rows else None


def unless_several(observe: Callable[[Any, Run], Progress]) -> Callable[[Any, Run], Progress]:
    """``observe``, which says *unknown* where several runs have our key."""

    @wraps(observe)
    def observed(self: Any, run: Run) -> Progress:
        try:
            return observe(self, run)
        except SeveralRuns as problem:
            return Progress(RunState.LOST, problem=problem.message)

    return observed


def still_looking(run: Run, system: str, hint: str = "") -> Progress:
    """Nothing with our key is there: looked for a minute; then only a person can say whether it runs."""
    if run.quiet(now()) <= LOOK_FOR:
        return Progress(RunState.RUNNING, text=f"{system} is asked whether the request arrived.")
    what = f"{system} took the request" if run.external.get("accepted") else f"The answer of {system} was lost"
    problem = f"{what}, and it shows no run with the key of this attempt."
    return Progress(RunState.LOST, problem=f"{problem} {hint}".strip())


def asked_in_doubt(run: Run, limit: float) -> Progress:
    """No request was answered, and one may have arrived. It may be sent again under its key, but not for ever."""
    if not run.is_late(now(), limit):
        return Progress(RunState.NOT_STARTED)
    name = run.outside.name if run.outside else "the other system"
    problem = f"No request to {name} was answered within {limit:g} s, and nobody knows whether one arrived."
    return Progress(RunState.LOST, problem=problem)


def not_shown(run: Run, problem: str, *, kept: Mapping[str, Any]) -> Progress:
    """The run that we know is not there: in its first minute the answer is older than the run; then only a person can say."""
    if run.quiet(now()) <= LOOK_FOR:
        return Progress(RunState.RUNNING, text=problem, external=kept)
    return Progress(RunState.LOST, problem=problem, external=kept)


def limited(run: Run, progress: Progress, what: str) -> Progress:
    """The same, unless ``timeout`` of portal.yaml is over: then nobody waits longer, and the run is not stopped by that."""
    limit = float(run.options.get("timeout") or 0)
    if progress.state != RunState.RUNNING or not limit or not run.is_late(now(), limit):
        return progress
    late = f"{what} did not end within {limit:g} s, the timeout in portal.yaml."
    problem = f"{progress.problem} {late}" if progress.problem else f"{late} It was not stopped."
    return Progress(RunState.LOST, progress.steps, problem=problem, external=progress.external)


def require_head(run: Run, system: str, ref: str, where: Any, head: Any) -> None:
    """Before the start: ``ref`` must be at the approved commit.

    Where it is still before it, the push or a mirror has not arrived: :class:`NotSent`, it is tried again.
    Anywhere else the approved commit can no longer be run: :class:`Refused`.
    """
    found = str(head or "")
    if found == run.commit:
        return
    place = f"{plain(ref, 100)} in {plain(where, 100)} is at {plain(found, 10)}, "
    if is_known_ancestor(run.git_dir, found, run.commit):
        text = f"{place}before the approved {run.commit[:10]}: that commit has not arrived in {system} yet."
        raise NotSent("ref_behind", text)
    raise Refused(
        "ref_moved",
        f"{place}not at the approved {run.commit[:10]}. {NOT_APPROVED}, and {system} runs only the head of a branch "
        "or tag. Deploy the newest change instead; with `tag: true` in `deploy` of portal.yaml any commit can run.",
    )


def of_another_commit(run: Run, found: str, what: str, *, is_over: bool, **kept: Any) -> Progress:
    """A run at another commit than the approved one fails; one that goes on is being stopped by the caller."""
    text = f"{what} is at {plain(found, 10) or 'another commit'}, not at the approved {run.commit[:10]}."
    problem = f"{text} {NOT_APPROVED}, so it counts as failed. Look at how far it came."
    if is_over:
        return Progress(RunState.ENDED, outcome="failed", text=text, problem=problem, **kept)
    told = f"{text} It was told to stop."
    return Progress(RunState.RUNNING, text=told, problem=told, **kept)


def as_ended(problem: str = "", *, is_cancelled: bool = False) -> dict[str, Any]:
    """The fields of a step that is over: well without ``problem``, or stopped on request."""
    code = 1 if problem or is_cancelled else 0
    reason = "cancelled" if is_cancelled else "reported"
    return {"state": StepState.ENDED, "reason": reason, "exit_code": code, "problem": plain(problem, 400)}


def log_window(
    run: Run, key: str, fetch: Callable[[], bytes], offset: int, limit: int, *, clean: Callable[[bytes], bytes] = bytes
) -> bytes:
    """``limit`` bytes from ``offset`` of a log that can only be had from its beginning; fetched once a look.

    ``clean`` takes out what is no part of it. Whether the log is cut is decided before that, which makes it shorter.
    """
    logs: dict[str, bytes] = run.memory.setdefault("logs", {})
    if key not in logs:
        logs.clear()  # one at a time: they are large
        body = fetch()
        note = CUT_NOTE if len(body) >= LOG_MOST else b""
        logs[key] = clean(body[:LOG_MOST]) + note
    return logs[key][offset : offset + limit]


def number_of(key: str, kind: str) -> int:
    """The number in a step's key, such as 7 in ``job-7``; 0 when it is a step of another kind."""
    name, _, number = key.partition("-")
    return int(number) if name == kind and number.isascii() and number.isdigit() else 0


def belongs(told: Mapping[str, Any], **expected: Any) -> None:
    """:class:`Unavailable` unless the answer is about what was asked: the state of another run changes nothing."""
    for name, value in expected.items():
        if told.get(name) != value:
            raise Unavailable("not_this_run", "The other system answered about another run; nothing of it was used.")

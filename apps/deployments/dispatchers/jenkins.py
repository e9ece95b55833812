"""Builds of Jenkins (remote access API).

Jenkins checks out what its job is told to, so the approved commit travels as the parameter ``PORTAL_COMMIT`` and
a build that reports which revisions it had must report that one. ``PORTAL_KEY`` is a parameter too: Jenkins
joins equal requests in its queue, and a key makes each its own; by it a build is found whose answer was lost.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    InDoubt,
    Outside,
    Progress,
    Refused,
    Run,
    RunState,
    StepProgress,
    StepState,
    jenkins_stages,
)
from apps.deployments.dispatchers import jenkins_inputs as inputs
from apps.deployments.dispatchers.answers import FORBIDDEN, NOT_THERE, Answer
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.jenkins_stages import at
from apps.deployments.dispatchers.remote import (
    LOG_MOST,
    SeveralRuns,
    as_ended,
    asked_again,
    belongs,
    limited,
    listed,
    log_window,
    mapping,
    of_another_commit,
    plain,
    segment,
    spelled,
    still_looking,
    the_one,
    told_variables,
    unless_several,
    web_link,
    whole_number,
)
from apps.deployments.dispatchers.words import said

OUTCOMES = {
    "SUCCESS": "succeeded",
    "UNSTABLE": "failed",
    "FAILURE": "failed",
    "NOT_BUILT": "failed",
    "ABORTED": "cancelled",
}
WHY = {
    "UNSTABLE": "Jenkins calls it unstable: it ran, and something in it did not go well.",
    "NOT_BUILT": "Jenkins did not build it.",
}
NEEDED = ("PORTAL_KEY", "PORTAL_COMMIT")
MOST_SUSPECTS = 50
CONSOLE = "console"
REDIRECTS = (302, 303)
"""Jenkins answers a stop with the way to the page of what was stopped."""
BUILD = "number,url,building,result,timestamp,duration,actions[parameters[name,value],lastBuiltRevision[SHA1]]"
_DEFINED = "buildable,property[parameterDefinitions[name]]"
_QUEUED = "id,why,cancelled,executable[number],actions[parameters[name,value],causes[userId]]"
_CRUMB = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,60}")
_ITEM = re.compile(r"/queue/item/(\d+)/?$")


@dataclass(frozen=True, slots=True)
class Found:
    """Where our request is: the item of the queue, and the build once it has left the queue. 0: not known."""

    item: int = 0
    build: int = 0
    why: str = ""
    is_cancelled: bool = False

    @property
    def kept(self) -> dict[str, Any]:
        return {name: value for name, value in (("item", self.item), ("build", self.build)) if value}


class JenkinsDispatcher:
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True, remote=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        with _client(run) as client:
            told = mapping(client.ask_first(f"{_job(run)}/api/json", params={"tree": _DEFINED}))
            parameters = _parameters(run, told)
            answer = _post(client, f"{_job(run)}/buildWithParameters", data=parameters)
            found = _ITEM.search(answer.headers.get("location", ""))
            if found is None:
                raise InDoubt("bad_answer", "Jenkins took the request, but did not say where it waits.")
            return {"item": int(found[1]), "accepted": now().isoformat()}

    @unless_several
    def observe(self, run: Run) -> Progress:
        if not run.is_sent:
            return Progress(RunState.NOT_STARTED)
        with _client(run) as client:
            found = _found(client, run)
            if found is None:
                hint = f"Look at the builds of {plain(run.options['job'], 100)} for PORTAL_KEY = {run.key}."
                return still_looking(run, "Jenkins", hint)
            if not found.build:
                return limited(run, _waiting(found), "The wait in the queue of Jenkins")
            told = _build(client, run, found.build)
            if told is None:
                client.require_shown(f"{_job(run)}/api/json", "the job", params={"tree": "name"})
                problem = f"Jenkins does not know build {found.build}, or hides it from the connection."
                if not run.external.get("build"):  # it has just left the queue, and is not shown yet
                    return Progress(RunState.RUNNING, text=problem, external=found.kept)
                return Progress(RunState.LOST, problem=problem, external=found.kept)
            run.memory["build"] = found.build
            return limited(run, _judged(client, run, told, found), f"Jenkins build {found.build}")

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        number = run.external.get("build") or run.memory.get("build")
        if key != CONSOLE or not number:
            return b""  # Jenkins has one log for the whole build

        def fetch() -> bytes:
            # Always from the start: what Jenkins counts includes marks that it leaves out of the text.
            path = f"{_job(run)}/{number}/logText/progressiveText"
            with _client(run) as client:
                answer = client.read(path, params={"start": "0"}, allow=(NOT_THERE,), most=LOG_MOST)
            return answer.body if answer.status < NOT_THERE else b""

        return log_window(run, key, fetch, offset, limit)

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        with _client(run) as client, asked_again(), contextlib.suppress(SeveralRuns):  # observe tells
            found = _found(client, run)
            if found is not None and found.build:
                told = _build(client, run, found.build)
                if told is not None and told.get("building"):
                    _post(client, f"{_job(run)}/{found.build}/stop", allow=REDIRECTS)
            elif found is not None and not found.is_cancelled:
                # A build that began meanwhile is found, and stopped, with the next look.
                _post(client, "/queue/cancelItem", params={"id": str(found.item)}, allow=(NOT_THERE, *REDIRECTS))
        return True

    def act(self, run: Run, key: str, action: str) -> None:
        """Answer a question of the build: only of the one that has our key."""
        number = int(run.external.get("build") or 0)
        with _client(run) as client:
            if not number or _build(client, run, number) is None:
                raise Refused("not_offered", "Jenkins does not show this build any more.")
            _post(client, inputs.path_of_answer(client, f"{_job(run)}/{number}", key, action), allow=REDIRECTS)

    def discard(self, run: Run) -> None:
        return


def test(outside: Outside) -> str:
    """Who the user is."""
    with Client(outside, auth=_auth(outside)) as client:
        told = mapping(client.read("/whoAmI/api/json").json())
    if told.get("anonymous") is not False:
        raise Unavailable("outside_refused", f"{outside.name} takes the user and token for nobody. Enter new ones.")
    return f"Jenkins knows the connection as {plain(told.get('name'), 100)}."


def _auth(outside: Outside | None) -> httpx.BasicAuth | None:
    return httpx.BasicAuth(outside.options.get("user", ""), outside.credentials["token"]) if outside else None


def _client(run: Run) -> Client:
    return Client(run.outside, auth=_auth(run.outside))


def _job(run: Run) -> str:
    """``a/b`` of portal.yaml as Jenkins addresses it: ``/job/a/job/b``."""
    return "".join(f"/job/{segment(part)}" for part in str(run.options["job"]).strip("/").split("/"))


def _post(client: Client, path: str, *, allow: tuple[int, ...] = (), **options: Any) -> Answer:
    """A change; with a crumb when Jenkins asks for one, for then it did not take the request."""
    answer = client.change("POST", path, allow=(FORBIDDEN, *allow), **options)
    if answer.status == FORBIDDEN and b"crumb" in answer.body.lower():
        crumb = mapping(client.ask_first("/crumbIssuer/api/json"))
        field = str(crumb.get("crumbRequestField"))
        if not _CRUMB.fullmatch(field):
            raise Refused("bad_answer", "Jenkins asks for a crumb and gives none.")
        headers = {field: plain(crumb.get("crumb"), 200)}
        answer = client.change("POST", path, allow=allow, headers=headers, **options)
    return client.judge(answer, allow=allow)


def _parameters(run: Run, job: Mapping[str, Any]) -> dict[str, str]:
    """What the build is given. Jenkins drops what a job does not declare, so that is looked at first."""
    declared = {
        str(one.get("name")) for part in listed(job.get("property")) for one in listed(part.get("parameterDefinitions"))
    }
    wanted = {name: spelled(value) for name, value in (run.options.get("parameters") or {}).items()}
    missing = [name for name in (*NEEDED, *wanted) if name not in declared]
    name = plain(run.options["job"], 100)
    if missing:
        raise Refused(
            "not_declared",
            f"The job {name} does not declare the parameters {', '.join(missing)}, and Jenkins would drop them. "
            "Declare them as string parameters; a pipeline's own are known after its first build.",
        )
    if job.get("buildable") is False:
        raise Refused("not_buildable", f"The job {name} is disabled in Jenkins.")
    told = told_variables(run)
    return wanted | {name: value for name, value in told.items() if name in declared}


def _key_in(told: Mapping[str, Any]) -> str:
    """``PORTAL_KEY`` among the parameters of a build or an item of the queue."""
    pairs = (pair for action in listed(told.get("actions")) for pair in listed(action.get("parameters")))
    return next((str(pair.get("value")) for pair in pairs if pair.get("name") == "PORTAL_KEY"), "")


def _may_be_ours(run: Run, told: Mapping[str, Any]) -> bool:
    """Whether it has our key, and the connection's user asked for it, as far as Jenkins says who did."""
    causes = [cause for action in listed(told.get("actions")) for cause in listed(action.get("causes"))]
    me = str(run.outside.options.get("user", "")).lower() if run.outside else ""
    return _key_in(told) == run.key and (not causes or me in {str(one.get("userId")).lower() for one in causes})


def _found(client: Client, run: Run) -> Found | None:
    """Where the request of this run is: as stored, in the queue, or among the newest builds."""
    item = int(run.external.get("item") or 0)
    if run.external.get("build"):
        return Found(item, int(run.external["build"]))
    if not item:
        return the_one(_with_our_key(client, run).values(), "builds of Jenkins")
    answer = client.read(f"/queue/item/{item}/api/json", params={"tree": _QUEUED}, allow=(NOT_THERE,))
    if answer.status != NOT_THERE:
        told = mapping(answer.json())
        belongs({**told, "key": _key_in(told)}, id=item, key=run.key)
        return _item(client, told)
    builds = _built(client, run, is_known=True).items()
    named = {queued: found for queued, found in builds if queued == item or queued < 0}
    found = the_one(named.values(), "builds of Jenkins")
    return Found(item, found.build) if found else None


def _with_our_key(client: Client, run: Run) -> dict[int, Found]:
    """All that have our key, by their number in the queue; what leaves it in between is seen as a build, and once."""
    told = mapping(client.read("/queue/api/json", params={"tree": f"items[{_QUEUED}]"}).json())
    items = [_item(client, one) for one in listed(told.get("items")) if _may_be_ours(run, one)]
    return {found.item: found for found in items} | _built(client, run)


def _built(client: Client, run: Run, *, is_known: bool = False) -> dict[int, Found]:
    """The newest builds that have our key, by the number that they had in the queue; below zero where Jenkins tells none.

    ``is_known``: that number was told to us, so whoever asked for it was us."""
    tree = f"builds[number,queueId,actions[parameters[name,value],causes[userId]]]{{0,{MOST_SUSPECTS}}}"
    found = {}
    for told in listed(mapping(client.read(f"{_job(run)}/api/json", params={"tree": tree}).json()).get("builds")):
        if _may_be_ours(run, told) or (is_known and _key_in(told) == run.key):
            number, queued = whole_number(told.get("number")), told.get("queueId")
            item = queued if isinstance(queued, int) and queued > 0 else 0
            found[item or -number] = Found(item, number)
    return found


def _item(client: Client, told: Mapping[str, Any]) -> Found:
    number = mapping(told.get("executable")).get("number")
    return Found(
        whole_number(told.get("id")),
        whole_number(number) if number is not None else 0,
        said(client.outside, told.get("why")),
        told.get("cancelled") is True,
    )


def _waiting(found: Found) -> Progress:
    if found.is_cancelled:
        return Progress(RunState.ENDED, outcome="cancelled", text="It was taken out of the queue.", external=found.kept)
    text = f"It waits in the queue of Jenkins. {found.why}".strip()
    return Progress(RunState.RUNNING, text=text, external=found.kept)


def _build(client: Client, run: Run, number: int) -> dict[str, Any] | None:
    """The build now; ``None`` when Jenkins does not know it any more."""
    answer = client.read(f"{_job(run)}/{number}/api/json", params={"tree": BUILD}, allow=(NOT_THERE,))
    if answer.status == NOT_THERE:
        return None
    told = mapping(answer.json())
    belongs({**told, "key": _key_in(told)}, number=number, key=run.key)
    return told


def _judged(client: Client, run: Run, told: Mapping[str, Any], found: Found) -> Progress:
    """How the build is, unless it reports revisions and the approved commit is none of them.

    A freestyle build checks out once, so it is stopped at once; a pipeline may have checked out something
    else first, such as a library, and is judged at its end.
    """
    revisions = [
        str(mapping(action.get("lastBuiltRevision")).get("SHA1"))
        for action in listed(told.get("actions"))
        if action.get("lastBuiltRevision")
    ]
    is_over = told.get("building") is False
    is_plain = str(told.get("_class")).endswith("FreeStyleBuild")
    if revisions and run.commit not in revisions and (is_over or is_plain):
        if not is_over:
            with asked_again():
                _post(client, f"{_job(run)}/{found.build}/stop", allow=REDIRECTS)
        what = f"Jenkins build {found.build}"
        return of_another_commit(run, revisions[0], what, is_over=is_over, external=found.kept)
    return _progress(client, run, told, found)


def _progress(client: Client, run: Run, told: Mapping[str, Any], found: Found) -> Progress:
    result, link = plain(told.get("result"), 40), web_link(told.get("url"))
    is_over = told.get("building") is False and bool(result)
    outcome = OUTCOMES.get(result, "") if is_over else ""
    seen = jenkins_stages.seen(client, f"{_job(run)}/{found.build}", is_over=is_over)
    stages = [jenkins_stages.step_of(row, link, is_fine=outcome == "succeeded") for row in seen.rows]
    asked = inputs.asked(run, seen.waiting)
    questions = inputs.steps(asked, seen.waiting, link) if seen.is_told or is_over else ()
    kept = {**found.kept, **({"inputs": asked} if asked else {})}
    steps = (_console(told, link, outcome, is_over=is_over), *stages, *questions)
    if not is_over:
        text = f"Jenkins build {found.build} {seen.words}."
        return Progress(RunState.RUNNING, steps, text=text, external=kept)
    if not outcome:
        problem = f"Jenkins says that build {found.build} ended as {result!r}, which this portal does not know."
        return Progress(RunState.LOST, steps, problem=problem, external=kept)
    has_named = any(step.state == StepState.ENDED and not step.is_success for step in stages)
    problem = "" if has_named or outcome != "failed" else f"Jenkins build {found.build} failed. {WHY.get(result, '')}"
    return Progress(RunState.ENDED, steps, outcome, f"Jenkins: {result}.", problem=problem.strip(), external=kept)


def _console(told: Mapping[str, Any], link: str, outcome: str, *, is_over: bool) -> StepProgress:
    """The build as a step, which has the log; its stages say better what failed."""
    fields: dict[str, Any] = {"state": StepState.RUNNING}
    if is_over:
        problem = "" if outcome in {"succeeded", "cancelled"} else "its log says why."
        fields = as_ended(problem, is_cancelled=outcome == "cancelled")
    began = at(told.get("timestamp"))
    ended = at(told.get("timestamp"), told.get("duration")) if is_over else None
    return StepProgress(key=CONSOLE, name=CONSOLE, link=link, is_optional=True, began=began, ended=ended, **fields)

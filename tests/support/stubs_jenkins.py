"""A small Jenkins: the part of its remote access API that starts and follows builds.

Jenkins publishes no description of it, so the checks are ours, from its handbook and from what its pages under
``/api`` say: forms for changes, ``tree`` for what is read, 201 with the address of the queue's item.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.stub_server import COMMIT, Answered, Asked, Stub

USER, TOKEN = "portal", "11aa-api-token-of-the-user"
JOB = "apps/web/deploy"
BASIC = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
TREE = re.compile(r"\w+|[\[\],]|\{\d+,\d+\}")
STARTED = 1767323045678
UPSTREAM = "hudson.model.Cause$UpstreamCause"


@dataclass
class Jenkins(Stub):
    """``declared``: parameters of the job; ``needs_crumb``: changes need one that belongs to the session."""

    declared: list[str] = field(default_factory=lambda: ["PORTAL_KEY", "PORTAL_COMMIT", "PORTAL_ENVIRONMENT", "REGION"])
    buildable: bool = True
    needs_crumb: bool = False
    items: dict[int, dict[str, Any]] = field(default_factory=dict)
    builds: dict[int, dict[str, Any]] = field(default_factory=dict)
    stages: list[dict[str, Any]] | None = None
    inputs: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    log: bytes = b""
    location: str | None = None

    def answer(self, asked: Asked) -> Answered:
        if asked.headers.get("authorization") != BASIC:
            return Answered(401, b"<html>Unauthorized</html>")
        if asked.method == "POST":
            return self._change(asked)
        answered = self._read(asked)
        if asked.query.get("tree") and isinstance(answered.body, dict):
            answered.body = _pruned(answered.body, _wanted(TREE.findall(asked.query["tree"])))
        return answered

    def _read(self, asked: Asked) -> Answered:
        job = "/job/apps/job/web/job/deploy"
        definitions = [{"name": name} for name in self.declared]
        whole: dict[str, Any] = {
            "/whoAmI/api/json": {"name": USER, "anonymous": False, "authenticated": True},
            "/crumbIssuer/api/json": {"crumb": "c4fe", "crumbRequestField": "Jenkins-Crumb"},
            "/queue/api/json": {"items": [one for one in self.items.values() if not one.get("executable")]},
            f"{job}/api/json": {
                "buildable": self.buildable,
                "property": [{}, {"parameterDefinitions": definitions}],
                "builds": [self.builds[number] for number in sorted(self.builds, reverse=True)],
            },
        }
        if asked.path in whole:
            return Answered(200, whole[asked.path], {"Set-Cookie": "JSESSIONID=s1; Path=/"})
        if found := re.fullmatch(r"/queue/item/(\d+)/api/json", asked.path):
            return self._or_404(self.items.get(int(found[1])))
        if found := re.fullmatch(rf"{job}/(\d+)/(.+)", asked.path):
            return self._of_build(int(found[1]), found[2], asked)
        return Answered(404, b"<html>Not Found</html>")

    def _of_build(self, number: int, rest: str, asked: Asked) -> Answered:
        if rest == "wfapi/describe":
            return self._or_404(None if self.stages is None else {"stages": self.stages})
        if rest == "wfapi/pendingInputActions":
            return self._or_404(None if self.stages is None else self.inputs)
        if rest == "logText/progressiveText":
            start = int(asked.query["start"])
            return Answered(200, self.log[start:], {"X-Text-Size": str(len(self.log)), "Content-Type": "text/plain"})
        return self._or_404(self.builds.get(number) if rest == "api/json" else None)

    @staticmethod
    def _or_404(found: Any) -> Answered:
        return Answered(404, b"<html>Not Found</html>") if found is None else Answered(200, found)

    def _change(self, asked: Asked) -> Answered:
        with_crumb = asked.headers.get("jenkins-crumb") == "c4fe" and "JSESSIONID=s1" in asked.headers.get("cookie", "")
        if self.needs_crumb and not with_crumb:
            return Answered(403, b"<html>HTTP ERROR 403 No valid crumb was included in the request</html>")
        if asked.path == "/job/apps/job/web/job/deploy/buildWithParameters":
            return self._start(asked)
        if asked.path == "/queue/cancelItem":
            self.items[int(asked.query["id"])]["cancelled"] = True
            return Answered(302, b"", {"Location": f"{self.url}/queue/"})
        if found := re.fullmatch(r"/job/apps/job/web/job/deploy/(\d+)/stop", asked.path):
            self.builds[int(found[1])].update(building=False, result="ABORTED")
            return Answered(302, b"", {"Location": f"{self.url}/job/apps/job/web/job/deploy/{found[1]}/"})
        if found := re.fullmatch(r"/job/apps/job/web/job/deploy/(\d+)/input/([^/]+)/(proceedEmpty|abort)", asked.path):
            return self._answered(found[2], found[3], asked)
        return Answered(404, b"<html>Not Found</html>")

    def _answered(self, name: str, answer: str, asked: Asked) -> Answered:
        """As Pipeline: Input Step does it: no body, 200; what does not wait any more is not found."""
        waiting = [one["id"] for one in self.inputs]
        if asked.body or asked.query:
            self.wrong.append(f"an answer takes nothing: {asked.body} {asked.query}")
        if name not in waiting:
            return Answered(404, b"<html>Not Found</html>")
        self.inputs = [one for one in self.inputs if one["id"] != name]
        self.answers.append((name, answer))
        return Answered(200, b"")

    def ask(self, name: str, message: str, *, number: int = 5, values: tuple[str, ...] = ()) -> None:
        """The build waits for an answer, told as ``PendingInputActionsExt`` tells it."""
        build = f"/job/apps/job/web/job/deploy/{number}/"
        self.inputs.append({
            "id": name,
            "proceedText": "Proceed",
            "message": message,
            "inputs": [{"type": "StringParameterDefinition", "name": value, "description": None} for value in values],
            "proceedUrl": f"{build}wfapi/inputSubmit?inputId={name}",
            "abortUrl": f"{build}input/{name}/abort",
            "redirectApprovalUrl": f"{build}input/",
        })  # fmt: skip
        self.stages = [{"id": "6", "name": "Approve", "status": "PAUSED_PENDING_INPUT", "startTimeMillis": STARTED}]

    def _start(self, asked: Asked) -> Answered:
        unknown = set(asked.body or {}) - set(self.declared)
        if asked.headers.get("content-type") != "application/x-www-form-urlencoded" or unknown:
            self.wrong.append(f"not a form of declared parameters: {unknown}")
        number = self.add(asked.body)
        where = f"http://jenkins.elsewhere.example/queue/item/{number}/" if self.location is None else self.location
        return Answered(201, b"", {"Location": where})

    def add(self, parameters: dict[str, str], *, by: str | None = USER) -> int:
        """An item of the queue as somebody asked for it; ``None``: another build did."""
        number = 101 + len(self.items)
        pairs = [{"name": name, "value": value} for name, value in parameters.items()]
        actions = [{"_class": "hudson.model.ParametersAction", "parameters": pairs}, {}]
        cause = {"_class": "hudson.model.Cause$UserIdCause", "userId": by} if by else {"_class": UPSTREAM}
        actions.append({"_class": "hudson.model.CauseAction", "causes": [cause]})
        why = "Waiting for next available executor"
        self.items[number] = {"id": number, "cancelled": False, "why": why, "actions": actions, "executable": None}
        return number

    def begin(self, item: int = 101, **more: Any) -> dict[str, Any]:
        """The item leaves the queue and is a build."""
        number = 5 + len(self.builds)
        self.items[item].update(executable={"number": number}, why=None)
        self.builds[number] = {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "number": number,
            "queueId": item,
            "url": f"https://jenkins.example.org/job/apps/job/web/job/deploy/{number}/",
            "building": True,
            "result": None,
            "timestamp": STARTED,
            "duration": 0,
            "actions": list(self.items[item]["actions"]),
            **more,
        }
        return self.builds[number]

    def end(self, result: str | None, number: int = 5, *, revisions: tuple[str, ...] = (COMMIT,)) -> None:
        """The build is over; it reports the revisions that it had."""
        build = self.builds[number]
        build.update(building=False, result=result, duration=4000)
        build["actions"] += [{"lastBuiltRevision": {"SHA1": sha}} for sha in revisions]


def _wanted(signs: list[str]) -> dict[str, Any]:
    """``a,b[c]{0,5}`` as names with what is wanted below them; the signs are used up."""
    found: dict[str, Any] = {}
    name = ""
    while signs:
        sign = signs.pop(0)
        if sign == "]":
            break
        if sign == "[":
            found[name] = _wanted(signs)
        elif sign != "," and not sign.startswith("{"):
            name = sign
            found[name] = {}
    return found


def _pruned(value: Any, wanted: dict[str, Any]) -> Any:
    """What Jenkins leaves of a value: what was asked for, and its class."""
    if isinstance(value, list):
        return [_pruned(one, wanted) for one in value]
    if not isinstance(value, dict) or not wanted:
        return value
    kept = {name: _pruned(value[name], below) for name, below in wanted.items() if name in value}
    return {**kept, **({"_class": value["_class"]} if "_class" in value else {})}

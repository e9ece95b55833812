"""CloudFormation as far as a deployment asks it: every request and answer is checked against botocore's own description."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.validate import ParamValidator

MODEL = botocore.session.get_session().get_service_model("cloudformation")
STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/0a1b"


class Refusal(Exception):
    def __init__(self, code: str, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


@dataclass
class Cloud:
    """One account with the stack ``shop``. ``answers``: what an operation answers in place of the usual, once each."""

    url: str = ""
    status: str = "CREATE_COMPLETE"
    change_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    drop: set[str] = field(default_factory=set)
    """Operations that are done, and whose answer is then lost, once each."""

    def calls(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.asked if name == operation]

    def event(
        self, name: str, status: str, reason: str = "", *, kind: str = "AWS::SQS::Queue", token: str = ""
    ) -> None:
        """What happened next in the stack, by our operation unless another token is given."""
        is_stack = kind == "AWS::CloudFormation::Stack"
        mine = self.calls("ExecuteChangeSet")
        found = {
            "StackId": STACK_ID, "EventId": f"e{len(self.events)}", "StackName": "shop", "LogicalResourceId": name,
            "PhysicalResourceId": STACK_ID if is_stack else f"id-{name}", "ResourceType": kind, "Timestamp": datetime.now(UTC),
            "ResourceStatus": status, "ClientRequestToken": token or (mine[-1]["ClientRequestToken"] if mine else "other"),
        }  # fmt: skip
        self.events.insert(0, {**found, **({"ResourceStatusReason": reason} if reason else {})})
        if is_stack and not token:
            self.status = status

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, given))
        waiting = self.answers.get(operation)
        if waiting:
            answer = waiting.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)
        acts: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateChangeSet": self._create, "DescribeChangeSet": self._describe, "ExecuteChangeSet": self._execute,
            "DeleteChangeSet": self._delete, "DescribeStacks": self._stacks, "CancelUpdateStack": self._cancel,
            "ListChangeSets": lambda _: {"Summaries": [{"ChangeSetName": name} for name in self.change_sets]},
            "DescribeStackEvents": lambda _: {"StackEvents": self.events},
            "ListStackResources": lambda _: {"StackResourceSummaries": self.resources},
            "DeleteStack": self._delete_stack,
        }  # fmt: skip
        return acts[operation](given)

    def _found(self, given: Mapping[str, Any]) -> dict[str, Any]:
        wanted = given["ChangeSetName"].rpartition("/")[2]
        if wanted not in self.change_sets:
            raise Refusal("ChangeSetNotFound", f"ChangeSet [{wanted}] does not exist", 404)
        return self.change_sets[wanted]

    def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["ChangeSetName"]
        if name in self.change_sets:
            raise Refusal("AlreadyExistsException", f"ChangeSet {name} already exists")
        if not self.status:
            self.status = "REVIEW_IN_PROGRESS"
        self.change_sets[name] = {
            "ChangeSetName": name, "ChangeSetId": f"arn:aws:cloudformation:eu-west-1:123456789012:changeSet/{name}",
            "StackId": STACK_ID, "StackName": "shop", "CreationTime": datetime.now(UTC), "Changes": self.changes,
            "Status": "FAILED" if self.reason else "CREATE_COMPLETE", "StatusReason": self.reason,
            "ExecutionStatus": "UNAVAILABLE" if self.reason else "AVAILABLE",
        }  # fmt: skip
        if self.status == "REVIEW_IN_PROGRESS":  # the token of the request, as the account may write it
            self.event("shop", self.status, kind="AWS::CloudFormation::Stack", token=given["ClientToken"])
        return {"Id": self.change_sets[name]["ChangeSetId"], "StackId": STACK_ID}

    def _describe(self, given: dict[str, Any]) -> dict[str, Any]:
        """Two pages where there is more than one change."""
        found, at = self._found(given), int(given.get("NextToken", 0))
        more = {"NextToken": str(at + 1)} if at + 1 < len(found["Changes"]) else {}
        return {**found, "Changes": found["Changes"][at : at + 1], **more}

    def _execute(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self._found(given)
        if found["ExecutionStatus"] != "AVAILABLE":
            raise Refusal("InvalidChangeSetStatus", f"ChangeSet cannot be executed in {found['ExecutionStatus']}")
        found["ExecutionStatus"] = "EXECUTE_IN_PROGRESS"
        word = "CREATE" if self.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        self.event("shop", f"{word}_IN_PROGRESS", "User Initiated", kind="AWS::CloudFormation::Stack")
        return {}

    def _delete(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self._found(given)
        if found["ExecutionStatus"] == "EXECUTE_IN_PROGRESS":
            raise Refusal("InvalidChangeSetStatus", "ChangeSet is being executed")
        del self.change_sets[found["ChangeSetName"]]
        return {}

    def _stacks(self, _given: dict[str, Any]) -> dict[str, Any]:
        if not self.status:
            raise Refusal("ValidationError", "Stack with id shop does not exist")
        return {"Stacks": [{"StackName": "shop", "CreationTime": datetime.now(UTC), "StackStatus": self.status}]}

    def _cancel(self, _given: dict[str, Any]) -> dict[str, Any]:
        if self.status != "UPDATE_IN_PROGRESS":
            raise Refusal("ValidationError", f"CancelUpdateStack cannot be called from {self.status}")
        self.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        return {}

    def _delete_stack(self, _given: dict[str, Any]) -> dict[str, Any]:
        self.status = ""
        return {}


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(parse_qsl(body, keep_blank_values=True))
        operation = form.pop("Action")
        model = MODEL.operation_model(operation)
        given = parsed(form, model.input_shape)
        report = ParamValidator().validate(given, model.input_shape)
        self._note(report.has_errors(), f"{operation}: {report.generate_report()}")
        self._note("AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""), f"{operation}: not signed")
        try:
            answer = self.cloud.answer(operation, given)
        except Refusal as problem:
            self._send(
                problem.status,
                f"<ErrorResponse><Error><Type>Sender</Type><Code>{problem.code}</Code><Message>{escape(problem.words)}</Message></Error></ErrorResponse>",
            )
            return
        if operation in self.cloud.drop:
            self.cloud.drop.discard(operation)
            self.close_connection = True
            return
        inside = ""
        if model.output_shape is not None:
            checked = ParamValidator().validate(answer, model.output_shape)
            self._note(checked.has_errors(), f"answer of {operation}: {checked.generate_report()}")
            inside = f"<{operation}Result>{written(answer, model.output_shape)}</{operation}Result>"
        self._send(200, f"<{operation}Response>{inside}</{operation}Response>")

    def _note(self, is_wrong: bool, text: str) -> None:
        if is_wrong:
            self.cloud.problems.append(text)

    def _send(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        return


def parsed(form: Mapping[str, str], shape: Any, prefix: str = "") -> Any:
    """The form of the query protocol as the values that it stands for."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            inner = f"{prefix}{name}"
            if any(key == inner or key.startswith(f"{inner}.") for key in form):
                found[name] = parsed(
                    form, member, inner if member.type_name not in {"structure", "list"} else f"{inner}."
                )
        return found
    if shape.type_name == "list":
        numbers = sorted({int(key[len(prefix) :].split(".")[1]) for key in form if key.startswith(f"{prefix}member.")})
        ends = "." if shape.member.type_name in {"structure", "list"} else ""
        return [parsed(form, shape.member, f"{prefix}member.{number}{ends}") for number in numbers]
    text = form[prefix]
    return {"boolean": lambda: text == "true", "integer": lambda: int(text)}.get(shape.type_name, lambda: text)()


def written(value: Any, shape: Any) -> str:
    """An answer as XML."""
    if shape.type_name == "structure":
        return "".join(
            f"<{name}>{written(value[name], member)}</{name}>"
            for name, member in shape.members.items()
            if name in value
        )
    if shape.type_name == "list":
        return "".join(f"<member>{written(one, shape.member)}</member>" for one in value)
    if isinstance(value, datetime):
        return value.isoformat()
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


@contextmanager
def cloud() -> Iterator[Cloud]:
    """It must have found nothing wrong in what it was asked, and in what it answered."""
    found = Cloud()
    handler = type("Handler", (_Handler,), {"cloud": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
        assert found.problems == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

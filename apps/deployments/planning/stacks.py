"""Asks an AWS account for a change set of a stack, reads it, and takes it away again. Imported where it is used only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from apps.core.errors import InvalidInput
from apps.deployments.dispatchers.aws_api import Patience, client_of, says_nothing
from apps.deployments.masking import SHORTEST, SecretMask
from apps.rendering import options
from apps.rendering.cloudformation.changesets import change_set_difference
from apps.rendering.cloudformation.requests import StackRequest, stack_request
from apps.rendering.model import Difference, Failure, RenderError, ToolIdentity
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint, redact_text
from apps.rendering.sandbox.messages import clean_message

TOOL = ToolIdentity("aws-cloudformation-change-set", "2010-05-15")
NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
"""Only a plan is made; what it does with rights is shown to who approves it."""
NAME = "gitops-portal-plan-"
PATIENCE = Patience(10, 60, 4)
"""A plan is asked for once, and somebody waits for it."""
_REVIEW = "REVIEW_IN_PROGRESS"
_PAUSE_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.05


def plan_stack(after: Tree, target: Target, hide: Fingerprint, variables: Mapping[str, str]) -> Planned:
    """What the account says. Leaves no change set, and no stack that was made for one, whatever happens.

    Raises :class:`RenderError` with the account's own words, which quote no secret parameter.
    """
    request = stack_request(after, target, hide)
    mask = SecretMask(text for text in request.secrets if len(text.encode()) >= SHORTEST)
    client = _client(target, variables)
    try:
        found = _asked(client, request)
    except ClientError as error:
        raise _refused(error, mask, hide) from None
    except BotoCoreError as error:
        text = f"The AWS API could not be asked ({type(error).__name__}). Look at AWS_REGION, AWS_ENDPOINT_URL and the network."
        raise RenderError(Failure.MISSING_INPUT, text) from None
    clean = json.loads(mask.apply(json.dumps(found, ensure_ascii=False, default=str).encode()))
    difference = change_set_difference(clean, request.stack, hide) if clean else Difference(())
    return Planned(difference, TOOL)


def _client(target: Target, variables: Mapping[str, str]) -> Any:
    """Of these variables alone: no setting, profile or role of the machine is used."""
    missing = [name for name in NEEDED if not variables.get(name)]
    region = options.text(target, "region") or variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
    if not region:
        missing.append("AWS_REGION")
    if missing:
        text = f"The secrets for plans of {target.environment} lack {', '.join(missing)}. A maintainer sets them on its page."
        raise RenderError(Failure.MISSING_INPUT, text)
    keys = {
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": variables.get("AWS_SESSION_TOKEN") or None,
    }
    url = variables.get("AWS_ENDPOINT_URL") or ""
    try:
        return client_of("cloudformation", keys, region=str(region), url=url, patience=PATIENCE)
    except InvalidInput as problem:
        raise RenderError(Failure.MISSING_INPUT, f"AWS_ENDPOINT_URL cannot be asked: {problem.message}") from None
    except (BotoCoreError, ValueError):
        text = "The AWS API cannot be reached like this: AWS_REGION or AWS_ENDPOINT_URL is not well formed."
        raise RenderError(Failure.MISSING_INPUT, text) from None


def _asked(client: Any, request: StackRequest) -> list[Mapping[str, Any]]:
    """The changes of all pages; none where nothing would change."""
    name = f"{NAME}{secrets.token_hex(8)}"
    state = _stack_state(client, request.stack)
    with _taken_away(client, request.stack, name, is_ours=not state):
        try:
            client.create_change_set(
                StackName=request.stack,
                ChangeSetName=name,
                ChangeSetType="CREATE" if state in {"", _REVIEW} else "UPDATE",
                TemplateBody=request.template,
                Parameters=list(request.parameters),
                Capabilities=CAPABILITIES,
            )
        except ClientError as error:
            said = error.response["Error"]
            if said.get("Code") == "ValidationError" and says_nothing(said.get("Message", "")):
                return []
            raise
        return _changes(client, request.stack, name)


def _stack_state(client: Any, stack: str) -> str:
    """Empty for a stack that is not there."""
    try:
        found = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return ""
        raise
    return str(found[0]["StackStatus"]) if found else ""


@contextmanager
def _taken_away(client: Any, stack: str, name: str, *, is_ours: bool) -> Iterator[None]:
    """A stack that came to be with the change set goes too, unless somebody else has begun to use it."""
    try:
        yield
    finally:
        _quietly(lambda: client.delete_change_set(StackName=stack, ChangeSetName=name))
        if is_ours:
            _quietly(lambda: _delete_if_empty(client, stack))


def _delete_if_empty(client: Any, stack: str) -> None:
    if _stack_state(client, stack) == _REVIEW and not client.list_change_sets(StackName=stack)["Summaries"]:
        client.delete_stack(StackName=stack)


def _quietly(act: Any) -> None:
    """What fails while we tidy up must not hide why the plan failed."""
    try:
        act()
    except (ClientError, BotoCoreError):
        return


def _changes(client: Any, stack: str, name: str) -> list[Mapping[str, Any]]:
    answer = _finished(client, stack, name)
    if answer["Status"] == "FAILED":
        reason = answer.get("StatusReason", "")
        if says_nothing(reason):
            return []
        raise ClientError({"Error": {"Code": "ChangeSetFailed", "Message": reason}}, "CreateChangeSet")
    found = list(answer.get("Changes", ()))
    while answer.get("NextToken"):
        answer = _described(client, stack, name, NextToken=answer["NextToken"])
        found += answer.get("Changes", ())
    return found


def _finished(client: Any, stack: str, name: str) -> dict[str, Any]:
    deadline, pause = time.monotonic() + settings.PORTAL_PLAN_SECONDS, _FIRST_PAUSE_SECONDS
    while True:
        answer = _described(client, stack, name)
        if answer["Status"] in {"CREATE_COMPLETE", "FAILED"}:
            return answer
        if time.monotonic() >= deadline:
            text = f"AWS did not finish the change set within {settings.PORTAL_PLAN_SECONDS:g} seconds."
            raise RenderError(Failure.TIMEOUT, text)
        time.sleep(pause)
        pause = min(_PAUSE_SECONDS, pause * 2)


def _described(client: Any, stack: str, name: str, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = client.describe_change_set(
        StackName=stack, ChangeSetName=name, IncludePropertyValues=True, **more
    )
    return found


def _refused(error: ClientError, mask: SecretMask, hide: Fingerprint) -> RenderError:
    """By name, with what the account says."""
    code = str(error.response.get("Error", {}).get("Code", "")) or "an error without a name"
    said = str(error.response.get("Error", {}).get("Message", ""))
    clean = mask.apply(said.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    failure = Failure.TEMPLATE if code in {"ValidationError", "ChangeSetFailed"} else Failure.REFUSED
    return RenderError(
        failure, clean_message(redact_text(f"AWS refused {error.operation_name}: {code}. {clean}", hide))
    )

"""CloudFormation through an ``aws`` connection: a client of its own, and what its answers let us conclude.

Only the credentials of the connection are used, never a profile or a role of this machine; its proxy is. With a role, its
credentials are asked for first. boto3 is imported where it is used, because it is slow to start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from apps.core.errors import Unavailable
from apps.core.waiting import about_to_act, beat
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused, Run
from apps.deployments.dispatchers.addresses import require_allowed_url
from apps.deployments.dispatchers.words import said

SESSION_NAME = "gitops-portal"
AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_BUSY = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"})
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
SERVER_ERROR = 500
MOST_PAGES = 1_000
READING = ("describe_", "get_", "list_")
NOTHING = ("The submitted information didn't contain changes", "No updates are to be performed")
"""How the account's own sentences begin. Hooks, constraints and templates bring words of others, in which anything may stand."""


class Patience(NamedTuple):
    """Seconds for a connection and for an answer, and how often one request is sent at most."""

    connect: float
    read: float
    attempts: int


AT_ONCE = Patience(5, 15, 1)
"""What is followed is asked again with the next look."""


class Answered(Exception):
    """The account said no to one request; ``code`` is its name for that, ``message`` what it said, ``words`` all of it in ours."""

    def __init__(self, code: str, words: str, message: str = "") -> None:
        super().__init__(words)
        self.code, self.words, self.message = code, words, message

    @property
    def is_missing(self) -> bool:
        """There is no such stack, or no such change set."""
        return self.code == "ChangeSetNotFound" or (self.code == "ValidationError" and "does not exist" in self.words)


class Account:
    """CloudFormation in one account and region."""

    def __init__(self, outside: Outside | None) -> None:
        if outside is None:
            raise Unavailable("no_connection", "This run has no connection.")
        require_allowed_url(outside.url)
        self.outside = outside
        with _understood(outside):
            keys = _keys_of_role(outside) if outside.options.get("role") else _own_keys(outside)
            self._client = _client(outside, "cloudformation", keys, outside.url)

    def ask(self, operation: str, **given: Any) -> dict[str, Any]:
        """One request. :class:`Answered` for a no; :class:`NotSent` or :class:`InDoubt` where none came."""
        beat()
        if not operation.startswith(READING):
            about_to_act()
        with _understood(self.outside):
            answer: dict[str, Any] = getattr(self._client, operation)(**given)
        return answer

    def pages(self, operation: str, key: str, **given: Any) -> Iterator[dict[str, Any]]:
        """The entries of all pages, in the order in which the account gives them; :class:`Unavailable` where they have no end."""
        token: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            answer = self.ask(operation, **given, **token)
            yield from answer.get(key) or ()
            before, token = token, {"NextToken": answer.get("NextToken") or ""}
            if not token["NextToken"]:
                return
            if token == before:
                break
        raise Unavailable("bad_answer", f"The account gives page after page of {operation}, without an end.")


def says_nothing(reason: str) -> bool:
    """Whether no change set came to be because nothing would change."""
    return reason.startswith(NOTHING)


def account_of(run: Run) -> Account:
    """The account of a run, made once a look."""
    if "account" not in run.memory:
        run.memory["account"] = Account(run.outside)
    found: Account = run.memory["account"]
    return found


def test(outside: Outside) -> str:
    """Who we are there, by the account's own word; then whether CloudFormation answers at the address.

    Rights may be limited to some stacks, so that it lets us look at no other is an answer too.
    """
    require_allowed_url(outside.url)
    who = ""
    try:
        with _understood(outside):
            keys = _keys_of_role(outside) if outside.options.get("role") else _own_keys(outside)
            told = _client(outside, "sts", keys, _sts_url(outside)).get_caller_identity()
        who = said(outside, told.get("Arn"))
        Account(outside).ask("describe_stacks", StackName=SESSION_NAME)
    except Answered as problem:
        if problem.code in _FORBIDDEN and who:
            return f"It knows the credentials as {who}; they may not look at every stack, which they need not."
        if not problem.is_missing:  # a stack of that name is not needed: it answers, and may be asked
            raise Unavailable("outside_refused", problem.words) from None
    return f"It knows the credentials as {who}, and CloudFormation answers in {outside.options['region']}."


def _own_keys(outside: Outside) -> dict[str, str]:
    return {
        "aws_access_key_id": outside.options["accessKeyId"],
        "aws_secret_access_key": outside.credentials["secretAccessKey"],
    }


def _keys_of_role(outside: Outside) -> dict[str, str]:
    """Credentials of the role for an hour at most; asked for anew in each look."""
    client = _client(outside, "sts", _own_keys(outside), _sts_url(outside))
    found = client.assume_role(RoleArn=outside.options["role"], RoleSessionName=SESSION_NAME, DurationSeconds=900)
    keys = found["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


def _sts_url(outside: Outside) -> str:
    """Amazon's own address for the region, or the address of the connection, when that is of no Amazon: no other gets the keys."""
    host = urlsplit(outside.url).hostname or ""
    found = next((end for end in AMAZON if host.endswith(end)), "")
    return f"https://sts.{outside.options['region']}{found}" if found else outside.url


def _client(outside: Outside, service: str, keys: dict[str, str], url: str) -> Any:
    return client_of(service, keys, region=outside.options["region"], url=url)


def client_of(
    service: str, keys: Mapping[str, str | None], *, region: str, url: str = "", patience: Patience = AT_ONCE
) -> Any:
    """A client that has these keys alone. Without ``url`` Amazon's own address; another is held to what connections are held to."""
    import boto3
    import botocore.session
    from botocore.config import Config

    if url:
        require_allowed_url(url)
    session = boto3.session.Session(botocore_session=botocore.session.Session(session_vars=_SETTINGS), **keys)
    config = Config(
        connect_timeout=patience.connect, read_timeout=patience.read,
        retries={"mode": "standard", "total_max_attempts": patience.attempts}, ignore_configured_endpoint_urls=True,
    )  # fmt: skip
    return session.client(service, region_name=region, endpoint_url=url or None, config=config)


@contextmanager
def _understood(outside: Outside) -> Iterator[None]:
    """What botocore raises, as what it lets us conclude."""
    from botocore import exceptions, parsers

    who = f"{outside.name} ({urlsplit(outside.url).hostname})"
    try:
        yield
    except exceptions.ClientError as problem:
        raise _answered(outside, who, problem) from None
    except (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ProxyConnectionError,
        exceptions.SSLError,
    ) as problem:
        raise NotSent("outside_silent", f"{who} cannot be reached ({type(problem).__name__}).") from None
    except (exceptions.HTTPClientError, parsers.ResponseParserError) as problem:
        raise InDoubt("outside_silent", f"{who} did not answer as expected ({type(problem).__name__}).") from None
    except (exceptions.BotoCoreError, ValueError, KeyError) as problem:
        text = f"{who} cannot be asked like this ({type(problem).__name__}): an administrator looks at the region and the address."
        raise Refused("bad_connection", text) from None


def _answered(outside: Outside, who: str, problem: Any) -> Exception:
    status = int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    code = str(problem.response.get("Error", {}).get("Code") or "")
    words = said(outside, problem.response.get("Error", {}).get("Message"))
    if code in _BUSY:
        return NotSent("outside_busy", f"{who} is asked too often.")
    if status >= SERVER_ERROR:
        return InDoubt("outside_failed", f"{who} answered {status}. {words}".rstrip())
    return Answered(code, f"{who} refused {problem.operation_name}: {code}. {words}".rstrip(), words)

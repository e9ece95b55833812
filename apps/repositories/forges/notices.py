"""Reading one notice: check the signature over the raw bytes first, only then parse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from apps.core.errors import InvalidInput, NotAllowed
from apps.repositories.forges.signatures import is_hex_signed, is_same, is_standard_signed

MAX_BODY_BYTES = 1_000_000
LONGEST_ID = 120
SIGNS_IDS = frozenset({"gitlab", "generic"})
"""Those that take Standard Webhooks, whose signature is over the id and the moment, too."""
HEADS = "refs/heads/"
PUSHES = frozenset({"push", "push hook", "system hook", "push.events"})


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice claims. ``is_push`` is false for pings and events that move no branch.

    ``digest`` is that of the body where the signature covers nothing else: who has such a notice can send it again
    under another id. Empty where the id and the moment are signed, too.
    """

    delivery_id: str
    event: str
    is_push: bool
    branch: str = ""
    new_oid: str = ""
    pusher_name: str = ""
    pusher_email: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """How one kind of host signs, numbers and names its notices. Header names are lower case."""

    name: str
    is_signed: Callable[[Mapping[str, str], str, bytes, datetime], bool]
    id_headers: tuple[str, ...]
    event_header: str
    pusher: Callable[[Mapping[str, Any]], tuple[str, str]]


def _github_pusher(payload: Mapping[str, Any]) -> tuple[str, str]:
    pusher = _object(payload.get("pusher"))
    return _text(pusher.get("name")), _text(pusher.get("email"))


def _gitlab_pusher(payload: Mapping[str, Any]) -> tuple[str, str]:
    return _text(payload.get("user_username")), _text(payload.get("user_email"))


def _gitea_pusher(payload: Mapping[str, Any]) -> tuple[str, str]:
    pusher = _object(payload.get("pusher"))
    return _text(pusher.get("login") or pusher.get("username")), _text(pusher.get("email"))


def _github_signed(headers: Mapping[str, str], secret: str, body: bytes, _at: datetime) -> bool:
    return is_hex_signed(headers.get("x-hub-signature-256", ""), secret, body, prefix="sha256=")


def _gitlab_signed(headers: Mapping[str, str], secret: str, body: bytes, at: datetime) -> bool:
    if "webhook-signature" in headers:  # a bad signature is not rescued by a good token
        return is_standard_signed(headers, secret, body, at)
    return is_same(headers.get("x-gitlab-token", ""), secret)


def _gitea_signed(headers: Mapping[str, str], secret: str, body: bytes, _at: datetime) -> bool:
    return is_hex_signed(headers.get("x-gitea-signature", ""), secret, body)


def _generic_signed(headers: Mapping[str, str], secret: str, body: bytes, at: datetime) -> bool:
    if "webhook-signature" in headers:
        return is_standard_signed(headers, secret, body, at)
    header = headers.get("x-portal-signature", "")
    return is_hex_signed(header, secret, body, prefix="sha256=")


PROVIDERS: dict[str, Provider] = {
    "github": Provider("github", _github_signed, ("x-github-delivery",), "x-github-event", _github_pusher),
    "gitlab": Provider(
        "gitlab",
        _gitlab_signed,
        ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
        "x-gitlab-event",
        _gitlab_pusher,
    ),
    "gitea": Provider("gitea", _gitea_signed, ("x-gitea-delivery",), "x-gitea-event", _gitea_pusher),
    "generic": Provider(
        "generic", _generic_signed, ("webhook-id", "x-portal-delivery"), "x-portal-event", _github_pusher
    ),
}


def read_notice(provider: str, headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> Notice:
    """The notice in ``body`` if it is signed with ``secret``.

    :class:`NotAllowed` ``bad_signature`` when it is not; :class:`InvalidInput` for more than 1 MB
    (``body_too_large``) or what is no JSON object (``bad_payload``).
    """
    kind = PROVIDERS[provider]
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("body_too_large", "A notice may have at most 1 MB. It was not read.")
    lowered = {name.lower(): value for name, value in headers.items()}
    if not kind.is_signed(lowered, secret, body, at):
        raise bad_signature()
    payload = _parse(body)
    # Without an id of the sender the content itself is the id: the same bytes twice are one delivery.
    given = next((lowered[name] for name in kind.id_headers if lowered.get(name)), "")
    event = lowered.get(kind.event_header, "") or ("push" if "ref" in payload else "")
    name, email = kind.pusher(payload)
    ref = _text(payload.get("ref"), 1000)
    return Notice(
        delivery_id=_ident(given) or sha256(body).hexdigest(),
        event=_text(event, 60),
        is_push=event.lower() in PUSHES,
        branch=ref.removeprefix(HEADS)[:250] if ref.startswith(HEADS) else "",
        new_oid=_oid(payload.get("after")),
        pusher_name=name[:200],
        pusher_email=email[:254],
        digest="" if provider in SIGNS_IDS and "webhook-signature" in lowered else sha256(body).hexdigest(),
    )


def bad_signature() -> NotAllowed:
    """One refusal for an unknown repository, a missing and a wrong signature: it tells an outsider nothing."""
    return NotAllowed(
        "bad_signature",
        "This notice is not signed with the webhook secret of this repository. "
        "A maintainer finds the secret in the repository's settings.",
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("bad_payload", "The notice is not JSON. Choose application/json at the sender.") from error
    if not isinstance(payload, dict):
        raise InvalidInput("bad_payload", "The notice is not a JSON object.")
    return payload


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, limit: int = 254) -> str:
    """A string that every database can hold: no NUL, no lone surrogates, cut to ``limit``."""
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:limit]


def _ident(given: str) -> str:
    """The id as it is kept; of one that no column holds its digest, so that two of them stay two."""
    text = _text(given, LONGEST_ID)
    return text if text == given else sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def _oid(value: Any) -> str:
    text = _text(value, 64).lower()
    is_oid = len(text) in {40, 64} and all(char in "0123456789abcdef" for char in text)
    return text if is_oid and text.strip("0") else ""

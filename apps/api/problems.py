"""Errors as problem details (RFC 9457): the one table from the domain's errors to HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.audit.published import Held
from apps.core.context import request_id
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError, Unavailable
from apps.core.text import visible

log = structlog.get_logger(__name__)

STATUS: dict[type[PortalError], int] = {
    NotVisible: 404,
    NotAllowed: 403,
    Conflict: 409,
    InvalidInput: 422,
    Unavailable: 503,
    Held: 503,
}
TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Something moved",
    411: "The length is missing",
    413: "Too large",
    415: "Send JSON",
    422: "The request has a mistake",
    429: "Too many requests",
    500: "The portal failed",
    503: "Something outside does not answer",
}


DJANGO: tuple[tuple[type[Exception], int, str, str], ...] = (
    (Http404, 404, "not_found", "There is nothing here that you can see."),
    (PermissionDenied, 403, "permission_denied", "You may not do this."),
    (SuspiciousOperation, 400, "bad_request", "The request cannot be read."),
)


RESERVED = frozenset({"type", "title", "detail", "code", "request_id"})


def status_of(error: PortalError) -> int:
    """The HTTP status of a domain error; 500 only for a class that nobody mapped."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    return 500


def problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    """One problem document: type, title, status, detail, code and facts of the case."""
    fixed = {
        "type": f"urn:gitops-portal:problem:{code}",
        "title": TITLES.get(status, "Problem"),
        "status": status,
        "detail": visible(detail),
        "code": code,
        "request_id": request_id.get(),
    }
    return Response({**extra, **fixed}, status=status, content_type="application/problem+json")


def problem_response(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: domain errors, framework errors and the rest, all as problems."""
    set_rollback()
    if isinstance(error, PortalError):
        return _refusal(error)
    if isinstance(error, exceptions.ValidationError):
        fields = dict(_fields(error.detail))
        name, messages = next(iter(fields.items()), ("body", ["It has a mistake."]))
        return problem(422, "invalid", f"{name}: {messages[0]}", fields=fields)
    if isinstance(error, exceptions.ParseError):
        return problem(400, "not_json", f"The body cannot be read: {error.detail}")
    if isinstance(error, exceptions.APIException):
        return _framework_refusal(error)
    for kind, status, code, sentence in DJANGO:
        if isinstance(error, kind):
            return problem(status, code, sentence)
    return _failure(error, context)


def _refusal(error: PortalError) -> Response:
    status = status_of(error)
    if status == 500:
        log.error("api_refusal_unmapped", code=error.code, exc_info=error)
    # ``status`` of a problem document is HTTP's; the state of the object is called ``state`` as everywhere in the API.
    extra = {
        {"status": "state"}.get(name, name): value for name, value in error.details.items() if name not in RESERVED
    }
    if isinstance(extra.get("fields"), dict):
        extra["fields"] = dict(_fields(extra["fields"]))
    return problem(status, error.code, error.message, **extra)


def _framework_refusal(error: exceptions.APIException) -> Response:
    codes = error.get_codes()
    response = problem(error.status_code, codes if isinstance(codes, str) else "refused", str(error.detail))
    header = getattr(error, "auth_header", None)
    if header:
        response["WWW-Authenticate"] = header
    return response


def _failure(error: Exception, context: dict[str, Any]) -> Response:
    """Ours, not the caller's: logged with everything, answered with nothing of it."""
    view = type(context.get("view")).__name__
    if isinstance(error, OperationalError | InterfaceError):
        log.error("api_database_unavailable", view=view, exc_info=error)
        response = problem(
            503,
            "busy",
            "The database does not answer in time. Look whether the request had its effect, then try again.",
        )
        response["Retry-After"] = "5"
        return response
    log.error("api_failed", view=view, exc_info=error)
    return problem(500, "internal", "The portal made a mistake. Give the request id to an administrator.")


def _fields(detail: Any, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """``{"members.0": ["…"]}`` of whatever nesting a serializer reports; always lists of sentences."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            part = "" if key == "non_field_errors" else visible(str(key))
            yield from _fields(inner, f"{name}.{part}".strip("."))
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        for index, inner in enumerate(detail):
            yield from _fields(inner, f"{name}.{index}".strip("."))
    else:
        yield name or "body", [visible(str(item)) for item in (detail if isinstance(detail, list) else [detail])]

"""Errors as problem details (RFC 9457): the one table from the domain's errors to HTTP."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.core.context import request_id
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError, Unavailable

log = structlog.get_logger(__name__)

STATUS: dict[type[PortalError], int] = {
    NotVisible: 404,
    NotAllowed: 403,
    Conflict: 409,
    InvalidInput: 422,
    Unavailable: 503,
}
TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Something moved",
    415: "Send JSON",
    422: "The request has a mistake",
    429: "Too many requests",
    500: "The portal failed",
    503: "Something outside does not answer",
}


def status_of(error: PortalError) -> int:
    """The HTTP status of a domain error; 500 only for a class that nobody mapped."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    return 500


def problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    """One problem document: type, title, status, detail, code and facts of the case."""
    body = {"type": f"urn:gitops-portal:problem:{code}", "title": TITLES.get(status, "Problem"), "status": status}
    body |= {"detail": detail, "code": code, "request_id": request_id.get(), **extra}
    return Response(body, status=status, content_type="application/problem+json")


def problem_response(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: domain errors, framework errors and the rest, all as problems."""
    set_rollback()
    if isinstance(error, PortalError):
        extra = {key: value for key, value in error.details.items() if key not in {"status", "code", "detail"}}
        return problem(status_of(error), error.code, error.message, **extra)
    if isinstance(error, Http404):
        return problem(404, "not_found", "There is nothing here that you can see.")
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.ValidationError):
        return problem(422, "invalid", _first_message(error.detail), fields=error.detail)
    if isinstance(error, exceptions.ParseError):
        return problem(400, "not_json", f"The body is not JSON: {error.detail}")
    if isinstance(error, exceptions.APIException):
        response = problem(error.status_code, str(error.get_codes()), str(error.detail))
        header = getattr(error, "auth_header", None)
        if header:
            response["WWW-Authenticate"] = header
        return response
    log.exception("api_failed", view=type(context.get("view")).__name__)
    return problem(500, "internal", "The portal made a mistake. Give the request id to an administrator.")


def _first_message(detail: Any) -> str:
    if isinstance(detail, dict):
        field, value = next(iter(detail.items()))
        return f"{field}: {_first_message(value)}"
    if isinstance(detail, list):
        return _first_message(detail[0])
    return str(detail)

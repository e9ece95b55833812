"""``Idempotency-Key`` on POST: same key, same body → the same answer, and one effect."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.api.models import IdempotentRequest
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PortalError

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=5)
MAX_KEY = 120
STILL_RUNNING = "The first request with this Idempotency-Key is still running; ask again shortly."


def answer_once(
    request: Request, act: Callable[[], Response], *, withheld: Sequence[str] = (), whole: bool = False
) -> Response:
    """Call ``act`` at most once for the key that the request carries.

    The same key with another body is refused (422), one whose first call still runs is a
    conflict (409). Refusals are not kept: after one, the same key may be tried again. A first
    call that never ended (the process died) may have had its effect, so its key stays taken.
    ``withheld``: secret fields of the answer that are shown once and not kept.
    ``whole``: ``act`` works on the database alone, so the answer is committed with the effect: a repeat gets it however the first call
    ended, and a call that left none had no effect and is done again once it is taken for dead.
    """
    key = request.headers.get("Idempotency-Key", "")
    user = request.user
    if not key or not isinstance(user, User):
        return act()
    if len(key) > MAX_KEY:
        raise InvalidInput("bad_idempotency_key", f"An Idempotency-Key has at most {MAX_KEY} characters.")
    row, is_first = _reserve(user, key, _fingerprint(request), may_take_over=whole)
    if not is_first:
        return Response(row.body, status=row.status, headers={"Idempotency-Replayed": "true"})
    try:
        return _whole(row, act, withheld) if whole else _answered(row, act(), withheld)
    except BaseException:
        _of_this_call(row).delete()
        raise


def _whole(row: IdempotentRequest, act: Callable[[], Response], withheld: Sequence[str]) -> Response:
    """Effect and answer are committed together. What a refusal writes (that it was refused) is kept, though it goes on to the caller."""
    refusal: PortalError | None = None
    with transaction.atomic():
        try:
            response = act()
        except PortalError as problem:
            refusal = problem
        else:
            _answered(row, response, withheld)
    if refusal is not None:
        raise refusal
    return response


def _answered(row: IdempotentRequest, response: Response, withheld: Sequence[str]) -> Response:
    """Keep the answer; only successes are."""
    mine = _of_this_call(row)
    if response.status_code >= 300:
        mine.delete()
    elif not mine.update(status=response.status_code, body=_kept(response.data, withheld)):
        raise Conflict("still_running", STILL_RUNNING)  # it was taken for dead, and another call does it
    return response


def _of_this_call(row: IdempotentRequest) -> QuerySet[IdempotentRequest]:
    """The row, unless another call took it over."""
    return IdempotentRequest.objects.filter(pk=row.pk, created_at=row.created_at, status=0)


def _kept(data: Any, withheld: Sequence[str]) -> Any:
    return {**data, **dict.fromkeys(withheld)} if withheld else data


def _fingerprint(request: Request) -> str:
    content = b"\0".join([str(request.method).encode(), request.get_full_path().encode(), request.body])
    return hashlib.sha256(content).hexdigest()


def _reserve(user: User, key: str, fingerprint: str, *, may_take_over: bool) -> tuple[IdempotentRequest, bool]:
    IdempotentRequest.objects.filter(user=user, created_at__lt=now() - KEPT_FOR).delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint, created_at=now()), True
    except IntegrityError:
        row = IdempotentRequest.objects.filter(user=user, key=key).first()
    if row is None:  # the first call was refused between our two statements
        raise Conflict("still_running", STILL_RUNNING)
    if row.fingerprint != fingerprint:
        raise InvalidInput(
            "idempotency_key_reused", "This Idempotency-Key was used for another request; take a new one."
        )
    if row.status:
        return row, False
    if row.created_at < now() - ABANDONED_AFTER:
        moment = now()
        if may_take_over and _of_this_call(row).update(created_at=moment):
            row.created_at = moment
            return row, True
        raise Conflict(
            "outcome_unknown",
            "The first request with this Idempotency-Key never ended. Look whether it had its effect; "
            "if not, send it again with a new key.",
        )
    raise Conflict("still_running", STILL_RUNNING)

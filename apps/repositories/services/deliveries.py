"""Notices of Git hosts: signature first, then one row, then a look at Git."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotVisible
from apps.core.secrets import decrypt
from apps.core.work import request_work
from apps.repositories.forges import MAX_BODY_BYTES, PROVIDERS, Notice, read_notice
from apps.repositories.forges.notices import bad_signature
from apps.repositories.models import Repository, WebhookDelivery

KNOWN_FOR = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=10)


def accept_delivery(*, repository_name: str, provider: str, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
    """Keep a signed notice and ask for a synchronisation if it tells of a push.

    Guarantees: an unsigned or wrongly signed notice leaves no trace (:class:`NotAllowed`
    ``bad_signature``, also for an unknown repository); the same delivery id counts once and the
    row of the first time is returned, and so it is for :data:`KNOWN_FOR` where only the body is signed
    and comes under another id; nothing in the notice is believed but that it is time to look.
    """
    if provider not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise NotVisible("unknown_provider", f"Notices are taken from {known}.", provider=provider)
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("body_too_large", "A notice may have at most 1 MB. It was not read.")
    repository = Repository.objects.filter(name=repository_name).first()
    if repository is None:
        raise bad_signature()
    notice = read_notice(provider, headers, body, secret=decrypt(repository.webhook_secret), at=now())
    return _keep(repository, provider, notice)


def _keep(repository: Repository, provider: str, notice: Notice) -> WebhookDelivery:
    key = {"repository": repository, "provider": provider, "delivery_id": notice.delivery_id}
    known = WebhookDelivery.objects.filter(**key).first() or _same_body(repository, notice)
    if known is not None:
        _look_now_and_then(repository, known, notice)
        return known
    try:
        return _write(repository, provider, notice)
    except IntegrityError:
        return WebhookDelivery.objects.get(**key)


def _same_body(repository: Repository, notice: Notice) -> WebhookDelivery | None:
    """A notice of the same bytes, from whatever provider: all of them sign with the one secret."""
    rows = WebhookDelivery.objects.filter(repository=repository, digest=notice.digest)
    return rows.filter(received_at__gt=now() - KNOWN_FOR).order_by("pk").first() if notice.digest else None


def _look_now_and_then(repository: Repository, known: WebhookDelivery, notice: Notice) -> None:
    """A script may say the same of each push: it is looked, but nobody who repeats a notice has that done all the time.

    The known one counts once more; one that comes too soon after it brings the next look nearer.
    """
    at, row = now(), Repository.objects.filter(pk=repository.pk)
    if not notice.is_push:
        return
    again = WebhookDelivery.objects.filter(pk=known.pk, received_at__lte=at - LOOK_AGAIN)
    with transaction.atomic():
        if again.update(received_at=at, status=WebhookDelivery.Status.ACCEPTED):
            row.update(sync_requested_at=at)
            request_work("repositories.sync", repository.pk)
        else:
            row.filter(next_poll_at__gt=at + LOOK_AGAIN).update(next_poll_at=at + LOOK_AGAIN)


@transaction.atomic
def _write(repository: Repository, provider: str, notice: Notice) -> WebhookDelivery:
    at = now()
    status = WebhookDelivery.Status.ACCEPTED if notice.is_push else WebhookDelivery.Status.IGNORED
    row = WebhookDelivery.objects.create(
        repository=repository,
        provider=provider,
        delivery_id=notice.delivery_id,
        event=notice.event,
        pusher_name=notice.pusher_name,
        pusher_email=notice.pusher_email,
        branch=notice.branch,
        new_oid=notice.new_oid,
        digest=notice.digest,
        status=status,
        received_at=at,
    )
    if notice.is_push:
        Repository.objects.filter(pk=repository.pk).update(sync_requested_at=at)
        request_work("repositories.sync", repository.pk)
    audit.record(
        Actor.outside(notice.pusher_name or provider, issuer=provider),
        "repository.webhook_received",
        target=notice.delivery_id,
        repository=repository.name,
        summary=f"{provider} told of {notice.event or 'something'} in {repository.name}",
        data={"event": notice.event, "branch": notice.branch, "status": str(status)},
    )
    return row

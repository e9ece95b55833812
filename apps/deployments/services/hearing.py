"""Events of Flux's notification controller (a Provider of the type ``generic-hmac``): told to who watches, and never believed.

The run is looked at anew in the cluster, which alone decides how it goes on. Shapes: the Event and Provider of Flux's
notification API; the signature is ``X-Signature: sha256=<hex>`` over the body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.core.clock import now
from apps.core.errors import InvalidInput, NotAllowed, PortalError, Unavailable
from apps.core.text import require_storable
from apps.deployments.dispatchers.flux import commit_in, title_of
from apps.deployments.dispatchers.remote import mapping, moment, plain
from apps.deployments.dispatchers.words import said
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Connection, Report
from apps.deployments.queries.connections import outside_of
from apps.deployments.services.reporting import look_again
from apps.deployments.transitions import say
from apps.repositories.forges.signatures import is_hex_signed
from apps.vcs.history import is_known_ancestor

MAX_EVENT = 256 * 1024
MOST_EVENTS = 200
"""Of one attempt; what comes after them wakes nobody and is not told."""
SKEW = timedelta(minutes=2)
"""By how much the clock of the cluster may be behind ours."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event in the parts that count. ``revision`` is empty where it names none."""

    title: str
    text: str
    revision: str
    at: datetime


def accept_event(*, name: str, headers: Mapping[str, str], body: bytes) -> int:
    """Tell an event of Flux to the deployments that wait for its object through connection ``name``, and have them looked at.

    Answers how many these are. Guarantees: without the signature of the connection's event key nothing is kept and
    nothing is told apart (:class:`NotAllowed` ``bad_signature``, also for an unknown connection); an event that came
    before, that is older than the request, or that names a commit which does not contain ours, changes nothing. No
    event moves a state: only what the cluster answers does.
    """
    if len(body) > MAX_EVENT:
        raise InvalidInput("body_too_large", "An event may have at most 256 KB.")
    connection = Connection.objects.filter(name=name, kind="flux", is_removed=False).first()
    if connection is None or not _is_signed(connection, headers, body):
        raise NotAllowed("bad_signature", "This event is not signed with the event key of a connection to Flux.")
    heard = _read(body)
    digest = sha256(body).hexdigest()
    return sum(_tell(attempt, connection, heard, digest) for attempt in _concerned(connection, heard))


def _is_signed(connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        key = outside_of(connection).credentials.get("events", "")
    except Unavailable:
        return False
    return bool(key) and is_hex_signed(headers.get("x-signature", ""), key, body, prefix="sha256=")


def _read(body: bytes) -> Heard:
    """:class:`InvalidInput` for what is no event."""
    try:
        found = mapping(json.loads(body))
    except (ValueError, RecursionError):
        found = {}
    about, at = mapping(found.get("involvedObject")), moment(found.get("timestamp"))
    if not about or at is None:
        raise InvalidInput("bad_event", "An event of Flux names its involvedObject and its timestamp.")
    title = f"{about.get('kind')} {about.get('namespace')}/{about.get('name')}"
    reason = plain(found.get("reason"), 100)
    text = f"{reason}: {plain(found.get('message'), 400)}" if reason else plain(found.get("message"), 400)
    require_storable([title, text])
    told = mapping(found.get("metadata"))  # the controller takes the group off the name, others may not
    names = [name for name in told if name == "revision" or str(name).endswith("/revision")]
    return Heard(plain(title, 300), text, str(told[names[0]]) if names else "", at)


def _concerned(connection: Connection, heard: Heard) -> Iterator[Attempt]:
    """Attempts that run through the connection, wait for this object, and asked for it before it spoke."""
    rows = Attempt.objects.filter(connection=connection, ended_at=None, deployment__status=Status.RUNNING)
    for attempt in rows.select_related("deployment__environment__repository", "deployment__change"):
        sent = moment(attempt.external_run.get("sent"))
        is_later = sent is not None and heard.at >= sent - SKEW
        if is_later and title_of(attempt.deployment.plan["raw"]) == heard.title and _is_ours(attempt, heard):
            yield attempt


def _is_ours(attempt: Attempt, heard: Heard) -> bool:
    """Whether the event names our commit, one that contains it, or none (a chart has a version)."""
    commit, ours = commit_in(heard.revision), attempt.deployment.commit
    if not commit or commit == ours:
        return True
    try:
        return is_known_ancestor(attempt.deployment.environment.repository.mirror_path, ours, commit)
    except PortalError:
        return False


def _tell(attempt: Attempt, connection: Connection, heard: Heard, digest: str) -> bool:
    """Once for each event and attempt, with one entry of the log; never what was told of a run that is over by now."""
    deployment, message_id = attempt.deployment, f"{digest}-{attempt.pk}"
    known = Report.objects.filter(connection=connection, message_id__startswith=digest)
    is_old = known.filter(Q(attempt=attempt) | Q(attempt__ended_at__isnull=False)).exists()
    if is_old or attempt.reports.count() >= MOST_EVENTS:
        return False
    text = said(outside_of(connection), heard.text, 500)
    try:
        with transaction.atomic():
            Report.objects.create(
                connection=connection, attempt=attempt, message_id=message_id, body={"event": text}, received_at=now()
            )
            say(deployment, f"Flux says of {heard.title}: {text}", attempt=attempt.number)
            look_again(
                deployment,
                connection,
                "deployment.event_heard",
                summary=f"{connection.name} told of {deployment.label}: an event of {heard.title}",
                data={"object": heard.title, "revision": plain(heard.revision, 200)},
            )
    except IntegrityError:  # the same event, at the same moment
        return False
    return True

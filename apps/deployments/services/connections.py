"""Connections to the systems that carry out deployments: made, changed, allowed and tried by administrators."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.core.secrets import decrypt, encrypt
from apps.deployments import access
from apps.deployments.dispatchers.addresses import require_allowed_url
from apps.deployments.dispatchers.kinds import KINDS, Field, Kind
from apps.deployments.dispatchers.registry import TESTS
from apps.deployments.masking import SHORTEST
from apps.deployments.models import Attempt, Connection, ConnectionGrant, Deployment
from apps.deployments.queries.connections import outside_of
from apps.deployments.querysets import HOLDING
from apps.repositories.models import Repository

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
LONGEST_VALUE = 16 * 1024


def create_connection(actor: User, *, name: str, kind: str, url: str, values: Mapping[str, str]) -> Connection:
    """A connection that nothing may use yet: repositories are allowed one by one.

    ``values`` has the fields of the kind (``dispatchers.kinds``), secret or not. :class:`InvalidInput` names
    the field that is wrong; :class:`Conflict` ``name_taken``.
    """
    access.require_manage_connections(actor)
    if not NAME.fullmatch(name):
        message = "A name has 1 to 60 small letters, digits and -, and begins with a letter or a digit."
        raise InvalidInput("bad_name", message, field="name")
    found = _kind(kind)
    require_allowed_url(url)
    _check_values(found, values)
    _require_all(found, values)
    options, secrets = _split(found, values)
    try:
        with transaction.atomic():
            row = Connection.objects.create(
                name=name,
                kind=kind,
                url=url.rstrip("/"),
                options=options,
                sealed_credentials=encrypt(json.dumps(secrets)),
                created_by=actor,
                created_at=now(),
                updated_at=now(),
            )
            _record(actor, row, "connection.created", f"made the connection {name} to {found.title}")
    except IntegrityError:
        raise Conflict("name_taken", f"There is a connection named {name} already. Choose another name.") from None
    return row


@transaction.atomic
def update_connection(
    actor: User, *, connection: Connection, url: str | None = None, values: Mapping[str, str] | None = None
) -> Connection:
    """Change the address or single values; what is not given stays.

    With another host every secret has to be given again: a stored one must never go to where it was not meant for.
    """
    access.require_manage_connections(actor)
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    kind, given = KINDS[row.kind], dict(values or {})
    new_url = row.url if url is None else url.rstrip("/")
    require_allowed_url(new_url)
    if new_url != row.url:
        _require_unused(row, "Its address stays until then: a run is looked for where it was started.")
    _check_values(kind, given)
    _, secrets = _split(kind, given)
    kept = json.loads(decrypt(row.sealed_credentials) or "{}")
    if new_url != row.url:
        missing = [field.label for field in kind.secrets if kept.get(field.name) and not secrets.get(field.name)]
        if missing:
            message = f"The address changed, so the secrets have to be entered again: {', '.join(missing)}."
            raise InvalidInput("secrets_needed", message, field="url")
    everything = {**kept, **row.options, **given}
    _require_all(kind, everything)
    row.url, row.updated_at = new_url, now()
    row.options = _split(kind, {**row.options, **given})[0]
    row.sealed_credentials = encrypt(json.dumps({key: value for key, value in {**kept, **secrets}.items() if value}))
    row.tested_at, row.is_working, row.test_text = None, None, ""
    row.save()
    changed = sorted({*given, *(["url"] if url is not None else [])})
    _record(actor, row, "connection.updated", f"changed {', '.join(changed) or 'nothing'} of the connection {row.name}")
    return row


@transaction.atomic
def remove_connection(actor: User, *, connection: Connection) -> None:
    """Remove it with its credentials; refused (:class:`Conflict` ``in_use``) while a deployment needs it, for its run or its checks.

    One that deployments went through is kept as a name without credentials, because the record points to it.
    """
    access.require_manage_connections(actor)
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    _require_unused(row, "")
    _record(actor, row, "connection.removed", f"removed the connection {row.name}")
    row.grants.all().delete()
    if row.attempts.exists():
        row.name, row.sealed_credentials, row.options, row.is_removed = f"{row.name} ({row.pk})", "", {}, True
        row.save()
    else:
        row.delete()


@transaction.atomic
def allow_connection(
    actor: User, *, connection: Connection, repository: Repository, environments: list[str]
) -> ConnectionGrant:
    """Let ``repository`` deploy through it: into the named environments, or into all when none is named."""
    access.require_manage_connections(actor)
    names = sorted({name.strip() for name in environments if name.strip()})
    grant, _ = ConnectionGrant.objects.update_or_create(
        connection=connection, repository=repository, defaults={"environments": names}
    )
    where = f"{', '.join(names)} of {repository.name}" if names else f"all environments of {repository.name}"
    _record(actor, connection, "connection.allowed", f"allowed the connection {connection.name} in {where}", repository)
    return grant


@transaction.atomic
def forbid_connection(actor: User, *, connection: Connection, repository: Repository) -> None:
    """Take the permission away: nothing is started through it there any more; what runs is followed to its end.

    Checks of health are not asked through it any more either: that is no word about what runs, and rolls nothing back.
    """
    access.require_manage_connections(actor)
    deleted, _ = ConnectionGrant.objects.filter(connection=connection, repository=repository).delete()
    if not deleted:
        message = f"{repository.name} may not use {connection.name} anyway."
        raise InvalidInput("not_allowed_there", message, field="repository")
    text = f"no longer allows the connection {connection.name} in {repository.name}"
    _record(actor, connection, "connection.forbidden", text, repository)


def try_connection(actor: User, *, connection: Connection) -> Connection:
    """Ask the other system who we are; what it said is kept with the connection. Never raises for what it finds."""
    access.require_test_connection(actor, connection)
    try:
        text, works = TESTS[connection.kind](outside_of(connection)), True
    except PortalError as problem:
        text, works = problem.message, False
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk, updated_at=connection.updated_at).update(
            tested_at=now(), is_working=works, test_text=text[:500]
        )
        verdict = "works" if works else "does not work"
        _record(actor, connection, "connection.tested", f"tried the connection {connection.name}: it {verdict}")
    connection.refresh_from_db()
    return connection


def _require_unused(row: Connection, why: str) -> None:
    """No run goes through it now, none has an outcome that somebody still has to find out, and none is asked through it how it does."""
    open_ones = Attempt.objects.filter(connection=row, deployment__status__in=HOLDING)
    running = open_ones.select_related("deployment").first()
    user = running.deployment if running is not None else _asking_through(row)
    if user is not None:
        what = (
            f"runs through {row.name}" if running is not None else f"is asked through {row.name} whether it is healthy"
        )
        text = f"{user.label} {what}. Wait for its end, or cancel it first. {why}".rstrip()
        raise Conflict("in_use", text, deployment=user.number)


def _asking_through(row: Connection) -> Deployment | None:
    """A deployment that is not over and whose checks name the connection, where it may be used: what others name is not this one."""
    allowed = row.grants.values("repository")
    for deployment in Deployment.objects.filter(status__in=HOLDING, environment__repository__in=allowed):
        checks = deployment.plan.get("health", {}).get("checks", [])
        if any((check.get("connection"), check["kind"]) == (row.name, row.kind) for check in checks):
            return deployment
    return None


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise InvalidInput("unknown_kind", f"A connection is to one of: {', '.join(KINDS)}.", field="kind")
    return KINDS[name]


def _check_values(kind: Kind, values: Mapping[str, str]) -> None:
    known = {field.name: field for field in kind.fields}
    for name, value in values.items():
        if name not in known:
            message = f"A connection to {kind.title} has no {name!r}. It has: {', '.join(known)}."
            raise InvalidInput("unknown_field", message, field=name)
        _check_value(known[name], value)


def _check_value(field: Field, value: str) -> None:
    if len(value) > LONGEST_VALUE or "\0" in value or (not field.is_long and not value.isprintable()):
        raise InvalidInput("bad_value", f"{field.label} has control characters or is too long.", field=field.name)
    if field.is_secret and not value.isascii():
        message = f"{field.label} has other characters than ASCII, which no request can carry."
        raise InvalidInput("bad_value", message, field=field.name)
    if field.is_secret and value and len(value) < SHORTEST:
        message = f"{field.label} has at least {SHORTEST} characters: a shorter one could not be masked in logs."
        raise InvalidInput("bad_value", message, field=field.name)


def _require_all(kind: Kind, values: Mapping[str, str]) -> None:
    for field in kind.fields:
        if field.is_required and not values.get(field.name):
            raise InvalidInput("value_missing", f"{kind.title} needs: {field.label}.", field=field.name)


def _split(kind: Kind, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is no secret, and what is."""
    secret = {field.name for field in kind.secrets}
    options = {name: value for name, value in values.items() if name not in secret and value}
    return options, {name: value for name, value in values.items() if name in secret and value}


def _record(actor: User, row: Connection, action: str, did: str, repository: Repository | None = None) -> None:
    audit.record(
        Actor.of(actor),
        action,
        target=row.name,
        repository=repository.name if repository else "",
        summary=f"{actor.username} {did}",
        data={"kind": row.kind, "url": row.url},
    )

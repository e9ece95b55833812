"""People, teams and tokens: columns and constraints."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.accounts.handles import MAX_LENGTH, validate_handle, validate_team_name
from apps.accounts.querysets import AbsenceQuerySet, ApiTokenQuerySet, TeamQuerySet


class Kind(models.TextChoices):
    """A service account is a programme: it never approves, whatever its roles."""

    HUMAN = "human", "Person"
    SERVICE = "service", "Service account"


class User(AbstractUser):
    """An account. ``username`` is the handle; ``(issuer, subject)`` is who the identity provider says it is.

    ``sponsor``: the person who answers for a service account; what it writes, they wrote. ``shortcut_keys``: shortcut → keys, only where they differ from the table in ``accounts.shortcuts``.
    """

    username = models.CharField(
        "handle",
        max_length=MAX_LENGTH,
        unique=True,
        validators=[validate_handle],
        error_messages={"unique": "This handle is taken."},
    )
    display_name = models.CharField(max_length=150, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.HUMAN)
    can_connect_repositories = models.BooleanField(default=False)
    issuer = models.CharField(max_length=300, blank=True, editable=False)
    subject = models.CharField(max_length=255, blank=True, editable=False)
    shortcuts_on = models.BooleanField(default=True)
    shortcut_keys = models.JSONField(default=dict, blank=True, editable=False)
    time_zone = models.CharField(max_length=64, blank=True)  # of the IANA list; empty: not told
    sponsor = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="sponsored")

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(Lower("username"), name="accounts_handle_any_case"),
            models.UniqueConstraint(fields=["issuer", "subject"], condition=~Q(issuer=""), name="accounts_identity"),
        ]

    def __str__(self) -> str:
        return self.username

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Handles are stored in lower case."""
        return super().normalize_username(username).lower()

    @property
    def shown_name(self) -> str:
        """The name for people: display name, else first and last name, else the handle."""
        return self.display_name or self.get_full_name() or self.username

    @property
    def is_human(self) -> bool:
        return self.kind == Kind.HUMAN


class Team(models.Model):
    """A group of people that rules and CODEOWNERS name as ``team/NAME``."""

    name = models.CharField(max_length=MAX_LENGTH, unique=True, validators=[validate_team_name])
    title = models.CharField(max_length=150, blank=True)
    description = models.CharField(max_length=500, blank=True)
    external_group = models.CharField(max_length=300, blank=True, db_index=True)
    members = models.ManyToManyField(User, through="TeamMembership", related_name="teams")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """One person in one team, and where that comes from."""

    class Source(models.TextChoices):
        MANUAL = "manual", "Added here"
        IDP = "idp", "From the identity provider"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.MANUAL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="accounts_one_membership")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Absence(models.Model):
    """Days on which somebody is not asked for anything, and who stands in.

    From the start of ``first_day`` to the end of ``last_day`` in ``time_zone``; ``starts_at`` and ``ends_at``
    are the same in UTC. A row that was taken back early has ``cancelled_at``.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    deputy = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="deputised")
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        ordering = ["starts_at", "pk"]
        indexes = [models.Index(fields=["ends_at", "starts_at"], name="accounts_absent_at")]
        constraints = [
            models.CheckConstraint(condition=Q(last_day__gte=models.F("first_day")), name="accounts_absence_has_days")
        ]

    def __str__(self) -> str:
        return f"{self.user} away {self.first_day} to {self.last_day}"


class ApiToken(models.Model):
    """A bearer token. Only the SHA-256 of the secret is kept (256 random bits need no slow hash)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"

    def is_usable(self, at: datetime) -> bool:
        """Neither revoked nor expired at ``at``; says nothing of its owner."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)

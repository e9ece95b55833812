"""Who did it, frozen at the moment of the act: entries outlive accounts and renames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOCAL_ISSUER = "local"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or programme as the log keeps it.

    ``id``: primary key of the account, ``None`` when there is none. ``issuer`` and ``subject``:
    the identity (the identity provider's, or ``local`` and the handle). ``name``: the handle at
    that moment. ``kind``: ``human``, ``service`` or ``system``.
    """

    id: int | None
    issuer: str
    subject: str
    name: str
    kind: str

    @classmethod
    def of(cls, user: Any) -> Actor:
        """The actor of an account; reads attributes only, so that this context needs no import upward."""
        issuer = str(getattr(user, "issuer", "") or "")
        subject = str(getattr(user, "subject", "") or "")
        name = str(user.username)
        if not issuer:
            issuer, subject = LOCAL_ISSUER, name
        return cls(id=user.pk, issuer=issuer, subject=subject, name=name, kind=str(getattr(user, "kind", "human")))

    @classmethod
    def outside(cls, name: str, *, issuer: str, subject: str = "") -> Actor:
        """Somebody who has no account here: who pushed past the portal, an identity provider."""
        return cls(id=None, issuer=issuer, subject=subject or name, name=name, kind="system")

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "issuer": self.issuer,
            "kind": self.kind,
            "name": self.name,
            "subject": self.subject,
        }


SYSTEM = Actor(id=None, issuer=LOCAL_ISSUER, subject="portal", name="portal", kind="system")

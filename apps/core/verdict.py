"""The answer of every access rule: allowed or not, and why in words."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Conflict, NotAllowed

WRONG_STATE = "wrong_state"
OF_THE_STATE = {WRONG_STATE, "too_late"}
"""The refusal codes that depend on the state of the object, not on the person."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is not possible: ``code`` for programs, ``text`` for people.

    ``role`` in ``repository``: what the person lacks, where a role would do.
    """

    code: str
    text: str
    repository: str = ""
    role: str = ""


@dataclass(frozen=True)
class Verdict:
    """``allowed`` with the reasons against it (empty when allowed)."""

    allowed: bool
    reasons: tuple[Reason, ...] = ()

    @property
    def code(self) -> str:
        return self.reasons[0].code if self.reasons else ""

    @property
    def text(self) -> str:
        return " ".join(reason.text for reason in self.reasons)

    def require(self) -> None:
        """Raise :class:`NotAllowed` with the first reason's code, and the role that is missing, unless allowed."""
        if not self.allowed:
            raise NotAllowed(self.code or "not_allowed", self.text or "You may not do this.", **self._lacking())

    def require_or_conflict(self) -> None:
        """Like :meth:`require`, but a refusal because of the object's state is a :class:`Conflict`."""
        if not self.allowed and self.code in OF_THE_STATE:
            raise Conflict(self.code, self.text)
        self.require()

    def _lacking(self) -> dict[str, str]:
        found = next((reason for reason in self.reasons if reason.role), None)
        return {"repository": found.repository, "role": found.role} if found else {}


ALLOWED = Verdict(allowed=True)


def refused(code: str, text: str, *, repository: str = "", role: str = "") -> Verdict:
    """A refusal with one reason; ``role`` in ``repository`` is what the person lacks."""
    return Verdict(allowed=False, reasons=(Reason(code, text, repository, role),))

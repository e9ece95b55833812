"""What an identity provider says about a person (OpenID Connect Core 1.0 §2, §5.1, §5.3).

Claims may come in the ID token, in the answer of the userinfo endpoint, or in both; userinfo is
asked later, so it wins where both speak. The identity itself is always the ID token's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_GROUPS = 1_000


class UnusableClaims(ValueError):
    """The provider's answer proves no identity; the text is for the log and the error page."""


@dataclass(frozen=True, slots=True)
class Claims:
    """``(issuer, subject)`` is the person. ``verified_email`` is empty unless the provider vouches for it.

    ``groups`` is ``None`` when the provider sent no such claim at all.
    """

    issuer: str
    subject: str
    handle: str
    name: str
    verified_email: str
    groups: tuple[str, ...] | None


def read_claims(data: Mapping[str, Any], *, groups_claim: str) -> Claims:
    """Claims from allauth's ``extra_data`` (``{"id_token": {…}, "userinfo": {…}}``).

    ``groups_claim`` is a name, or a path with dots into nested objects
    (``realm_access.roles``, ``resource_access.portal.roles``); a name that itself contains
    dots (``https://example.org/groups``) is tried first. Raises :class:`UnusableClaims`.
    """
    token, info = _mapping(data.get("id_token")), _mapping(data.get("userinfo"))
    issuer, subject = str(token.get("iss") or ""), str(token.get("sub") or "")
    if not issuer or not subject:
        raise UnusableClaims("The identity provider sent no ID token with issuer and subject.")
    if info and str(info.get("sub") or "") != subject:
        raise UnusableClaims("The subject of the userinfo answer is not that of the ID token.")
    merged = {**token, **info}
    email = str(merged.get("email") or "").strip().lower()
    # Some providers send the boolean as a word.
    verified = merged.get("email_verified") in (True, "true")
    return Claims(
        issuer=issuer,
        subject=subject,
        handle=str(merged.get("preferred_username") or merged.get("nickname") or ""),
        name=str(merged.get("name") or "").strip()[:150],
        verified_email=email if verified and "@" in email else "",
        groups=_groups(info, token, groups_claim),
    )


def _groups(info: Mapping[str, Any], token: Mapping[str, Any], claim: str) -> tuple[str, ...] | None:
    for source in (info, token):
        found = _dig(source, claim)
        if found is not None:
            return tuple(dict.fromkeys(_group_names(found)))[:MAX_GROUPS]
    return None


def _dig(source: Mapping[str, Any], claim: str) -> Any:
    if claim in source:
        return source[claim]
    value: Any = source
    for part in claim.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _group_names(found: Any) -> Iterator[str]:
    """Names from a list of names, a list of objects with a name, or one name; a leading slash is Keycloak's path."""
    for item in found if isinstance(found, list | tuple) else [found]:
        name = item.get("name") if isinstance(item, Mapping) else item
        if isinstance(name, str) and 0 < len(name.strip("/ ")) <= 300:
            yield name.strip().removeprefix("/")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

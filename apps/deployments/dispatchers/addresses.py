"""Where a connection may lead: which addresses are asked at all, and what their names stand for."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = ipaddress.ip_address("fd00:ec2::254")


def require_allowed_url(url: str) -> None:
    """``https`` with a host and without credentials; :class:`InvalidInput` says what is wrong.

    Plain ``http`` needs the host in ``PORTAL_CONNECTION_PLAIN_HTTP``. Link-local addresses are refused always:
    there the machines of clouds hand out their own credentials.
    """
    problem = _problem_of(url)
    if problem:
        raise InvalidInput("url_refused", problem, field="url")
    host = urlsplit(url).hostname or ""
    if any(is_forbidden(address) for address in addresses_of(host)):
        raise InvalidInput("url_refused", f"{host} is a link-local address, which no connection may use.", field="url")


@dataclass(frozen=True, slots=True)
class Door:
    """Which addresses may be connected to. A name is looked up again when it is connected to, and may stand for another one by then.

    ``is_inner``: also those of the own network.
    """

    is_inner: bool = True

    def admits(self, address: Address) -> bool:
        return not is_forbidden(address) and (self.is_inner or is_public(address))


def door_from(own: str, host: str) -> Door:
    """The door through which a system at ``own`` may lead to ``host``: inwards only where it is internal itself.

    :class:`InvalidInput` where the name stands for something else already.
    """
    door = Door(is_inner=host == own or not all(map(is_public, addresses_of(own))))
    if not all(map(door.admits, addresses_of(host))):
        text = f"{host} is an internal address, to which only a connection with an internal address may lead."
        raise InvalidInput("url_refused", text)
    return door


def _problem_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "This is not an address. It looks like https://host.example.org/path."
    if parts.scheme not in {"https", "http"} or not host:
        return "The address begins with https:// and names a host."
    if parts.username or parts.password:
        return "No user or password in the address: they have fields of their own and are stored encrypted."
    if parts.query or parts.fragment:
        return "The address ends before ? and #."
    if parts.scheme == "http" and host not in settings.PORTAL_CONNECTION_PLAIN_HTTP:
        return f"Credentials would go to {host} in clear. Use https, or an administrator lists the host in PORTAL_CONNECTION_PLAIN_HTTP."
    return ""


def is_forbidden(address: Address) -> bool:
    """Link-local, also behind an IPv6 spelling of IPv4; and where a cloud answers over IPv6."""
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_link_local or address == METADATA or (mapped is not None and mapped.is_link_local)


def is_public(address: Address) -> bool:
    return (getattr(address, "ipv4_mapped", None) or address).is_global


def addresses_of(host: str) -> Iterator[Address]:
    """What the name stands for now; a name that cannot be resolved is for the request to report."""
    with contextlib.suppress(OSError, ValueError):
        for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            yield ipaddress.ip_address(str(entry[4][0]).partition("%")[0])

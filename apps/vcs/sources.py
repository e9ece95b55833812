"""Where a repository may come from: the grammar of addresses, and which hosts may be reached.

Allowed are ``https://host[:port]/path``, ``ssh://[user@]host[:port]/path``, ``user@host:path`` and local
directories below those that an administrator listed. ``http://`` only for hosts listed for it.
A host is resolved once; link-local and metadata addresses are refused always, other private ones
unless the host is listed; the address is then pinned for the command (RELIABILITY §2.5 cases 29, 30).
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from apps.core.errors import InvalidInput, Unavailable

HOST = re.compile(r"(?!-)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
URL = re.compile(
    r"(?P<scheme>https?|ssh)://(?:(?P<user>[^@/]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/@\[\]]+)(?::(?P<port>\d{1,5}))?(?P<path>/.+)"
)
SCP = re.compile(r"(?P<user>[^@/:]+)@(?P<host>[^@/:\[\]]+):(?P<path>[^-/:].*|/.+)")
NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\?#\"<>|`{}^]")
MAX_PORT = 65_535
DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22}
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Cloud metadata services outside the link-local range: AWS (IPv6), Alibaba, Oracle, Azure.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class SourceKind(StrEnum):
    """How a repository is reached; ``https`` stands for both web schemes."""

    LOCAL = "local"
    HTTPS = "https"
    SSH = "ssh"


@dataclass(frozen=True, slots=True)
class Reach:
    """What this installation may talk to; by default public ``https`` and ``ssh`` hosts only.

    ``private_hosts``: names (or addresses) that may resolve to private addresses.
    ``http_hosts``: hosts for which plain ``http`` is allowed, for tests and closed networks.
    ``state_dir``: where the known SSH host keys are kept; needed for ``ssh``.
    """

    local_dirs: tuple[Path, ...] = ()
    private_hosts: frozenset[str] = frozenset()
    http_hosts: frozenset[str] = frozenset()
    state_dir: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One remote repository and how to sign in to it. The secrets are never part of ``repr``."""

    url: str
    username: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    reach: Reach = field(default=Reach(), repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address, taken apart. ``port`` is explicit; ``path`` is the local git directory."""

    kind: SourceKind
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: Path | None = None


def check_url(url: str, *, local_dirs: Iterable[Path] = (), http_hosts: Iterable[str] = ()) -> SourceKind:
    """The kind of a URL or path that may be connected; InvalidInput ``url_refused`` says why not.

    Looks at the text and, for a local path, at where it really leads; no host is asked.
    """
    return parse(url, Reach(local_dirs=tuple(local_dirs), http_hosts=frozenset(http_hosts))).kind


def parse(url: str, reach: Reach) -> Address:
    """The parts of a URL or path; InvalidInput ``url_refused`` when it is not allowed."""
    if url.startswith("/"):
        return Address(SourceKind.LOCAL, path=local_git_dir(url, reach))
    if NOT_IN_URL.search(url) or not url.isascii():
        _refuse("The address contains characters that do not belong in one.")
    if "::" in url.split("/", 1)[0]:
        _refuse("Transport helpers such as 'ext::' run commands and are never used.")
    found = URL.fullmatch(url)
    if found is None:
        return _parse_scp(url)
    return _web_or_ssh(found, reach)


def _web_or_ssh(found: re.Match[str], reach: Reach) -> Address:
    scheme, user = found["scheme"], found["user"]
    if scheme == "http" and found["host"].strip("[]") not in reach.http_hosts:
        _refuse("Plain http sends credentials and code unprotected. Use https or ssh.")
    if scheme != "ssh" and user is not None:
        _refuse("Put the user name and the token into their own fields, not into the address.")
    if user is not None and not USER.fullmatch(user):
        _refuse("The user name in the address is not one, or it contains a password.")
    host = _host(found["host"])
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 0 < port <= MAX_PORT:
        _refuse("The port is not between 1 and 65535.")
    return Address(SourceKind.SSH if scheme == "ssh" else SourceKind.HTTPS, scheme, host, port)


def _parse_scp(url: str) -> Address:
    found = SCP.fullmatch(url)
    if found is None or "://" in url or not USER.fullmatch(found["user"]):
        _refuse("Use https://host/path, ssh://user@host/path, user@host:path, or a listed directory.")
    return Address(SourceKind.SSH, "ssh", _host(found["host"]), DEFAULT_PORTS["ssh"])


def _host(text: str) -> str:
    bare = text.strip("[]")
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(bare))
        except ValueError:
            _refuse("The address names no valid host.")
    if not HOST.fullmatch(bare) or ".." in bare:
        _refuse("The address names no valid host.")
    return bare.lower()


def local_git_dir(path: str, reach: Reach) -> Path:
    """The git directory of a local repository, with all links resolved and inside a listed directory.

    InvalidInput ``url_refused`` outside of them; Unavailable ``not_a_repository`` when it is none.
    """
    if "\0" in path or "\n" in path:
        _refuse("The path contains characters that are not allowed.")
    root = _inside(Path(path), reach)
    git_dir = root if (root / "objects").is_dir() else root / ".git"
    if not (git_dir / "objects").is_dir() or not (git_dir / "HEAD").is_file():
        message = "There is no Git repository at this path. Check the spelling, or create it there."
        raise Unavailable("not_a_repository", message)
    for part in ("", "objects", "refs", "HEAD", "config", "packed-refs"):
        _inside(git_dir / part, reach)
    for folder in ("objects", "objects/pack", "objects/info"):
        _require_links_inside(git_dir / folder, reach)
    for part in ("commondir", "objects/info/alternates", "info/grafts"):
        if (git_dir / part).exists():
            _refuse(
                f"This repository borrows from elsewhere ('{part}'), which the portal does not "
                "follow. Connect a full clone (git clone --mirror --no-local) instead."
            )
    return git_dir.resolve()


def _require_links_inside(folder: Path, reach: Reach) -> None:
    """A linked pack or object folder would lend the objects of a repository that nobody listed."""
    try:
        with os.scandir(folder) as entries:
            links = [entry.path for entry in entries if entry.is_symlink()]
    except OSError:
        return
    for link in links:
        _inside(Path(link), reach)


def _inside(path: Path, reach: Reach) -> Path:
    try:
        real = path.resolve()
        roots = [root.resolve() for root in reach.local_dirs]
    except (OSError, RuntimeError):
        _refuse("The path cannot be resolved.")
    if not any(real == root or root in real.parents for root in roots):
        _refuse(
            "Local repositories may be connected only from directories that an administrator has "
            "listed (PORTAL_LOCAL_REPOSITORY_DIRS), and this path does not lead into one."
        )
    return real


def pinned_address(address: Address, reach: Reach) -> str:
    """Resolve the host once; the IP address to use. ``url_refused`` / ``host_unreachable``.

    Every address that the name resolves to must be allowed, so that a name with a public and a
    private address cannot be used to choose.
    """
    try:
        answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The host {address.host} is not known here. Check the spelling and the network."
        raise Unavailable("host_unreachable", message, host=address.host) from error
    found = [str(answer[4][0]) for answer in answers]
    is_listed = address.host in reach.private_hosts
    for text in found:
        _check_address(ipaddress.ip_address(text.partition("%")[0]), is_listed=is_listed)
    return found[0]


def _check_address(ip: IPAddress, *, is_listed: bool) -> None:
    ip = _unwrap(ip)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in METADATA:
        _refuse("The host leads to a link-local or metadata address, which is never reached.")
    is_public = ip.is_global and not (ip.is_reserved or ip.is_private)
    if not is_public and not is_listed:
        _refuse(
            "The host leads to a private address. An administrator can list the host as allowed "
            "if the repository really is on the internal network."
        )


def _unwrap(ip: IPAddress) -> IPAddress:
    # An IPv4 address can hide in an IPv6 one (mapped, 6to4, NAT64).
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inner = ip.ipv4_mapped or ip.sixtofour
    if inner is None and ip in NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner or ip


def _refuse(message: str) -> NoReturn:
    raise InvalidInput("url_refused", message, field="url")

"""How one command reaches its remote: protocol, pinned address, credentials; and what its failure means."""

from __future__ import annotations

import logging
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from apps.core.errors import InvalidInput, PortalError, Unavailable
from apps.vcs import gateway
from apps.vcs.errors import GitTimedOut
from apps.vcs.gateway import Completed, Transport
from apps.vcs.limits import Limits
from apps.vcs.sources import Address, Source, SourceKind, parse, pinned_address

logger = logging.getLogger(__name__)

ASKPASS = Path(__file__).with_name("askpass.sh")
CONNECT_SECONDS = 15

MESSAGES = {
    "authentication_failed": "The host refused the credentials. Check the user name and the token or "
    "key, and that they may read (and, for merging, write) this repository.",
    "host_unreachable": "The host could not be reached, or its certificate or host key is not "
    "trusted. Check the address and the network, then try again.",
    "not_a_repository": "There is no Git repository at this address (or these credentials may not "
    "see it). Check the spelling and the access.",
    "url_refused": "The host answers from another address (a redirect), which is not followed. "
    "Connect the final address; often it ends with '.git'.",
    "owned_by_another": "This local repository belongs to another system user, so Git refuses it. "
    "The administrator can change its owner to the user that runs the portal.",
    "ssh_missing": "The portal's machine has no 'ssh' program, so ssh addresses cannot be used. An administrator can "
    "install OpenSSH's client, or use the https address.",
    "sha256_repository": "This repository names its objects by SHA-256, which the portal does not read; nothing was taken. "
    "Connect one that names them by SHA-1, as 'git init' makes it unless it is asked for the other.",
    "repository_shallow": "The repository at this address is itself a shallow clone: it lacks the history behind some of its "
    "branches, so these were not taken. Run 'git fetch --unshallow' there, or connect the one that it was cloned from.",
    "git_failed": "Git and the host could not agree, for a reason that the portal does not know. Try again; "
    "an administrator finds what the host said in the log (git_remote_failed).",
    "repository_broken": "The repository sent objects that are missing, damaged or malformed, so "
    "nothing of it was taken. Run 'git fsck --full' on the original and repair it there.",
}
SHALLOW = re.compile(rb"shallow roots are not allowed to be updated", re.IGNORECASE)
"""What Git says of each branch that it leaves out, and then it ends well."""
# First match wins; the left side is what Git 2.38 to 2.51 and OpenSSH print with LC_ALL=C.
SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        ("sha256_repository", rb"mismatched algorithms|unsupported hash algorithm|unknown object format"),
        ("repository_shallow", SHALLOW.pattern),
        ("ssh_missing", rb"cannot run ssh|ssh: (command )?not found"),
        ("owned_by_another", rb"dubious ownership|unsafe repository"),
        ("url_refused", rb"redirect|error: 30[1278]\b"),
        ("authentication_failed",
         (rb"authentication failed|could not read (username|password)|permission denied \(|"
         rb"error: 40[13]\b|invalid (username|credentials)|too many authentication failures")),
        ("host_unreachable",
         (rb"could not resolve|failed to connect|couldn't connect|connection (refused|timed out|reset)|"
         rb"network is unreachable|no route to host|operation (too slow|timed out)|ssl |certificate|"
         rb"empty reply|host key verification|error: 5\d\d\b|kex_exchange|connection closed by")),
        ("not_a_repository",
         (rb"repository .{0,500}not found|does not appear to be a git repository|error: 404\b|"
         rb"not a git repository|is this a git repository|no such file or directory|not valid: ")),
        ("repository_broken",
         (rb"early eof|index-pack|unpack|fsck|bad object|missing|corrupt|bad pack|bad tree|bad line|"
         rb"did not send all|inflate|hung up|loose object|remote error|upload-pack|did not receive|"
         rb"invalid|not our ref|could not read|bad ref|broken")),
    )
)  # fmt: skip


@contextmanager
def opened(source: Source) -> Iterator[tuple[str, Transport]]:
    """``(address for Git, transport)`` for the commands inside; a key file lives only that long."""
    address = parse(source.url, source.reach)
    if address.kind is SourceKind.LOCAL:
        yield str(address.path), Transport(protocols="file")
        return
    pinned = pinned_address(address, source.reach)
    if address.kind is SourceKind.HTTPS:
        yield source.url, _web(source, address, pinned)
        return
    with tempfile.TemporaryDirectory(prefix="portal-ssh-") as folder:
        yield source.url, _ssh(source, address, pinned, Path(folder))


def _web(source: Source, address: Address, pinned: str) -> Transport:
    ip = f"[{pinned}]" if ":" in pinned else pinned
    config = [
        f"http.curloptResolve={address.host}:{address.port}:{ip}",
        "http.lowSpeedLimit=1",
        "http.lowSpeedTime=60",
    ]
    if source.reach.ca_file is not None:
        config.append(f"http.sslCAInfo={source.reach.ca_file}")
    env = {}
    if not (source.username + source.secret).isprintable():
        # A line break would answer Git's next question too; a NUL cannot be passed at all.
        message = "The user name or the token contains line breaks or control characters. Enter it again."
        raise InvalidInput("bad_credentials", message, field="secret")
    if source.secret or source.username:
        env = {
            "GIT_ASKPASS": str(ASKPASS),
            "PORTAL_GIT_USERNAME": source.username or "git",
            "PORTAL_GIT_SECRET": source.secret,
        }
    return Transport(address.scheme, tuple(config), env)


def _ssh(source: Source, address: Address, pinned: str, folder: Path) -> Transport:
    known = (source.reach.state_dir or folder) / "known_hosts"
    known.parent.mkdir(parents=True, exist_ok=True)
    identity = "none"
    if source.ssh_key:
        key = folder / "key"
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(source.ssh_key.replace("\r\n", "\n").rstrip("\n") + "\n")
        identity = str(key)
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": os.devnull,
        "IdentitiesOnly": "yes",
        "IdentityFile": identity,
        "IdentityAgent": "none",
        "ProxyCommand": "none",
        "PermitLocalCommand": "no",
        "ClearAllForwardings": "yes",
        "HostName": pinned,
        "HostKeyAlias": address.host,
        "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": CONNECT_SECONDS,
    }
    words = ["ssh", "-F", os.devnull, *(f"-o{key}={value}" for key, value in options.items())]
    env = {"GIT_SSH_COMMAND": shlex.join(words), "GIT_SSH_VARIANT": "ssh"}
    return Transport("ssh", (), env)


def talk(
    source: Source,
    git_dir: Path | None,
    command: str,
    flags: Sequence[str],
    refspecs: Sequence[str],
    *,
    seconds: float,
    limits: Limits,
    watch: Callable[[], None] | None = None,
) -> Completed:
    """``git command flags ADDRESS refspecs``; whatever its exit code. Timeouts are ``git_timeout``."""
    with opened(source) as (url, transport):
        try:
            return gateway.call(
                git_dir, command, [*flags, url, *refspecs],
                timeout=seconds, limits=limits, transport=transport, watch=watch,
            )  # fmt: skip
        except GitTimedOut as error:
            message = (
                f"The host did not answer within {seconds:g} seconds. "
                "Check that it is up and reachable from the portal, then try again."
            )
            raise GitTimedOut(message, command=command, seconds=seconds) from error


def reason(done: Completed) -> PortalError:
    """Why a command that talked to a remote failed, in our words; ``git_failed`` if not recognised."""
    code = next((code for code, sign in SIGNS if sign.search(done.stderr)), "git_failed")
    if code == "git_failed":
        logger.warning("git_remote_failed", extra={"said": plain(done.stderr.decode(errors="replace"))})
    return Unavailable("url_refused" if code == "owned_by_another" else code, MESSAGES[code])


def plain(text: str) -> str:
    """What a host said as one short line: no control or escape characters, no credentials in URLs."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    text = re.sub(r"://[^/\s@]*@", "://", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:500]

"""What can go wrong with Git, as errors with stable codes. Git's own words are never shown raw."""

from __future__ import annotations

from typing import Any

from apps.core.errors import InvalidInput, Unavailable


class GitFailed(Unavailable):
    """A Git command ended with an error; ``details['command']`` names the subcommand.

    ``stderr`` holds what Git said, for classification inside ``apps.vcs`` only: it may contain
    file content, paths of this machine or text chosen by a stranger, so it is not in ``details``.
    """

    def __init__(self, message: str, *, code: str = "git_failed", stderr: bytes = b"", **details: Any) -> None:
        super().__init__(code, message, **details)
        self.stderr = stderr


class GitTimedOut(GitFailed):
    """The command did not finish in its time; its whole process group was killed."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="git_timeout", **details)


class GitOutputTooLarge(GitFailed):
    """The command wrote more than it may; it was killed and nothing of it is used."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, code="git_output_too_large", **details)


class ObjectMissing(GitFailed):
    """The mirror has no such object (or it has another type than was asked for)."""

    def __init__(self, oid: str, wanted: str = "object") -> None:
        message = (
            f"The mirror has no {wanted} {oid[:12]}. It may be damaged or not yet fetched; "
            "synchronise the repository, and ask an administrator if that does not help."
        )
        super().__init__(message, code="object_missing", oid=oid, wanted=wanted)


class BlobTooLarge(InvalidInput):
    """A file is larger than the caller wants to hold; ``details`` have ``size`` and ``limit``."""

    def __init__(self, oid: str, size: int, limit: int) -> None:
        message = (
            f"This file has {size:,} bytes; at most {limit:,} are read here. Download it, or look at it in a clone."
        )
        super().__init__("blob_too_large", message, oid=oid, size=size, limit=limit)


class CommandRefused(GitFailed):
    """Our own code asked for a command, flag or argument that the gateway does not allow."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="git_command_refused")

"""Commits: who, when, what was said, and how they relate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path

from apps.core.errors import PortalError
from apps.vcs import gateway
from apps.vcs.errors import ObjectMissing
from apps.vcs.objects import object_type, require_oid
from apps.vcs.paths import decode, is_safe

# One record; the fields contain no NUL (Git's own strings end there), so a count of fields is exact.
FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%ad", "%cn", "%ce", "%cd", "%s", "%b")
TRAILERS = "%(trailers:only=true,unfold=true,key_value_separator=%x1f,separator=%x1e)"
RECORD = "%x00".join((*(field.replace("%ad", "%at %ai").replace("%cd", "%ct %ci") for field in FIELDS), TRAILERS))
WIDTH = len(FIELDS) + 1
FLAGS = ("-z", "--no-notes", "--no-mailmap", "--no-decorate", "--no-show-signature", "--no-color",
         "--encoding=UTF-8", f"--format={RECORD}")  # fmt: skip
CO_AUTHORS = "%(trailers:key=Co-authored-by,valueonly=true,unfold=true,separator=%x1e)"
PEOPLE = f"%an%x00%ae%x00%cn%x00%ce%x00{CO_AUTHORS}"
MANY = 10_000


@dataclass(frozen=True, slots=True)
class Named:
    """Name and mail of author and committer, and the values of ``Co-authored-by``: claims, all of them."""

    author: tuple[str, str]
    committer: tuple[str, str]
    co_authors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who and when; ``at`` is aware, in the zone that the commit names. Name and mail are claims."""

    name: str
    email: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; ``trailers`` as ``git interpret-trailers`` reads them, in their order."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    subject: str
    body: str
    trailers: tuple[tuple[str, str], ...]

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1

    def trailer_values(self, key: str) -> tuple[str, ...]:
        """All values of a trailer, whatever the letter case of its key."""
        wanted = key.casefold()
        return tuple(value for name, value in self.trailers if name.casefold() == wanted)


def read_commit(git_dir: Path, oid: str) -> Commit:
    """One commit; :class:`ObjectMissing` when the mirror does not have it as a commit."""
    _require_commit(git_dir, oid)
    return _log(git_dir, ["--no-walk=unsorted", "--max-count=1", oid])[0]


def commits_between(git_dir: Path, base: str, head: str, *, limit: int = MANY) -> list[Commit]:
    """Commits reachable from ``head`` and not from ``base``, newest first, children before parents."""
    _require_commit(git_dir, base)
    _require_commit(git_dir, head)
    return _log(git_dir, ["--topo-order", f"--max-count={int(limit)}", head, f"^{base}"])


def people_between(git_dir: Path, base: str, head: str) -> list[Named]:
    """Whom the commits of ``base..head`` name, each combination once; of every commit, however many there are.

    A limit here would let somebody hide behind empty commits: :class:`GitOutputTooLarge` instead.
    """
    _require_commit(git_dir, base)
    _require_commit(git_dir, head)
    flags = [*(flag for flag in FLAGS if not flag.startswith("--format=")), f"--format={PEOPLE}"]
    fields = [decode(field) for field in gateway.run(git_dir, "log", [*flags, head, f"^{base}"]).split(b"\0")]
    width = PEOPLE.count("%x00") + 1
    records = dict.fromkeys(tuple(fields[at : at + width]) for at in range(0, len(fields) - width + 1, width))
    return [
        Named(
            (author, mail), (committer, c_mail), tuple(value.strip() for value in said.split("\x1e") if value.strip())
        )
        for author, mail, committer, c_mail, said in records
    ]


def oids_between(git_dir: Path, base: str, head: str) -> frozenset[str]:
    """All commits that ``head`` has and ``base`` has not."""
    args = [require_oid(head), f"^{require_oid(base)}"]
    return frozenset(gateway.run(git_dir, "rev-list", args).decode().split())


def count_between(git_dir: Path, base: str, head: str) -> int:
    """How many commits ``head`` has that ``base`` has not."""
    args = ["--count", require_oid(head), f"^{require_oid(base)}"]
    return int(gateway.run(git_dir, "rev-list", args))


def log(git_dir: Path, start: str, *, path: str | None = None, limit: int = 100, skip: int = 0) -> list[Commit]:
    """Ancestors of ``start`` (itself included), newest first; with ``path`` those that touch it."""
    if path is not None and not is_safe(path):
        return []
    _require_commit(git_dir, start)
    args = [f"--max-count={int(limit)}", f"--skip={int(skip)}", start]
    return _log(git_dir, [*args, *(["--", path] if path else [])])


def merge_bases(git_dir: Path, a: str, b: str) -> tuple[str, ...]:
    """All best common ancestors: several in a criss-cross history, none in unrelated ones."""
    _require_commit(git_dir, a)
    _require_commit(git_dir, b)
    done = gateway.call(git_dir, "merge-base", ["--all", a, b])
    if done.code not in {0, 1} or (done.code and done.stderr):  # what cannot be read is no "none"
        raise gateway.failed("merge-base", done)
    return tuple(sorted(done.stdout.decode().split()))


@lru_cache(maxsize=16_384)
def is_ancestor(git_dir: Path, a: str, b: str) -> bool:
    """True when ``a`` is reachable from ``b`` (a commit is its own ancestor).

    Asked once per process: commits and what is beneath them never change. A Git that cannot read one of them says so, and no.
    """
    done = gateway.call(git_dir, "merge-base", ["--is-ancestor", require_oid(a), require_oid(b)])
    if done.code not in {0, 1} or (done.code and done.stderr):
        _require_commit(git_dir, a)
        _require_commit(git_dir, b)
        raise gateway.failed("merge-base", done)
    return done.code == 0


def is_known_ancestor(git_dir: Path, a: str, b: str) -> bool:
    """The same, and ``False`` where it cannot be shown because the mirror lacks one of them or Git fails."""
    try:
        return is_ancestor(git_dir, a, b)
    except PortalError:
        return False


def _require_commit(git_dir: Path, oid: str) -> None:
    if object_type(git_dir, oid) != "commit":
        raise ObjectMissing(oid, "commit")


def _log(git_dir: Path, args: list[str]) -> list[Commit]:
    raw = gateway.run(git_dir, "log", [*FLAGS, *args])
    fields = [decode(field) for field in raw.split(b"\0")]
    return [_commit(fields[at : at + WIDTH]) for at in range(0, len(fields) - WIDTH + 1, WIDTH)]


def _commit(fields: list[str]) -> Commit:
    oid, tree, parents, name, email, date, c_name, c_email, c_date, subject, body, said = fields
    pairs = (pair.partition("\x1f") for pair in said.split("\x1e") if pair.strip())
    return Commit(
        oid=oid,
        tree=tree,
        parents=tuple(parents.split()),
        author=Signature(name, email, _moment(date)),
        committer=Signature(c_name, c_email, _moment(c_date)),
        subject=subject,
        body=body.rstrip("\n"),
        trailers=tuple((key.strip(), value.strip()) for key, _, value in pairs),
    )


def _moment(date: str) -> datetime:
    """``"<seconds> YYYY-MM-DD HH:MM:SS ±HHMM"`` as an aware moment; 1970 for a date that is none."""
    parts = date.split(" ")
    try:
        seconds, offset = int(parts[0]), parts[-1]
        minutes = int(offset[1:3]) * 60 + int(offset[3:5])
        zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError, IndexError):
        return datetime.fromtimestamp(0, UTC)

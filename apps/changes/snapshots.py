"""What merging a head into a target tip would do: facts computed from Git alone, before any row is written.

Pure in its inputs (two commits of one mirror), so it may run outside of transactions and be repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from apps.changes.models import Contribution
from apps.core.errors import Conflict
from apps.vcs import history, merging, objects, refs, trees
from apps.vcs.paths import display

How = Contribution.How
ABSENT = "000000"
UNLIKE_FILES = {"120000", "160000"}
"""Modes of symbolic links and of submodules."""
NOBODY = "(nobody is named)"
BETWEEN = re.compile(r"[\s<,;]")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody named by a commit: a claim, used to exclude and never to grant."""

    name: str
    email: str
    how: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The merge of ``head`` into ``target``.

    ``tree`` is empty when it conflicts: then ``conflicts`` names the files, or ``bases`` is empty because
    the histories share no commit. ``subject`` is the digest of the tree difference (DESIGN §5), empty
    without a tree. Paths are displayable; ``paths`` has both names of a rename, sorted. ``commits``: what ``head`` has and ``target`` has not.
    """

    head: str
    target: str
    bases: tuple[str, ...]
    tree: str
    conflicts: tuple[str, ...]
    subject: str
    paths: tuple[str, ...]
    files_changed: int
    lines_added: int
    lines_removed: int
    uncounted_files: int
    commits: frozenset[str]
    people: tuple[Person, ...]

    @property
    def commit_count(self) -> int:
        return len(self.commits)


def take(git_dir: Path, *, head: str, target: str) -> Snapshot:
    """The snapshot of two commits; raises what :mod:`apps.vcs` raises for missing objects."""
    try:
        merged = merging.merge(git_dir, target, head)
    except Conflict as error:
        if error.code != "unrelated_histories":
            raise
        merged = merging.MergeResult(None)
    return _between(git_dir, head, target, merged)


def take_move(git_dir: Path, *, old: str, new: str) -> Snapshot:
    """What came of a branch that went from commit ``old`` to ``new``, forward or not: the result is what ``new`` holds."""
    bases = history.merge_bases(git_dir, old, new)
    return _between(git_dir, new, old, merging.MergeResult(objects.commit_tree_oid(git_dir, new), (), bases))


def _between(git_dir: Path, head: str, target: str, merged: merging.MergeResult) -> Snapshot:
    tree = merged.tree or ""
    changes, stats = [], []
    if tree:
        before = objects.commit_tree_oid(git_dir, target)
        changes = trees.diff_trees(git_dir, before, tree)
        stats = trees.numstat(git_dir, before, tree)
    return Snapshot(
        head=head,
        target=target,
        bases=merged.bases,
        tree=tree,
        conflicts=tuple(display(path) for path in merged.conflicts),
        subject=trees.effect_digest(changes) if tree else "",
        paths=tuple(
            sorted({display(path) for change in changes for path in (change.old_path, change.new_path) if path})
        ),
        files_changed=len(changes),
        lines_added=sum(stat.added or 0 for stat in stats),
        lines_removed=sum(stat.deleted or 0 for stat in stats),
        uncounted_files=sum(map(_is_uncounted, changes, stats)),
        commits=history.oids_between(git_dir, target, head),
        people=people_between(git_dir, target, head),
    )


def _is_uncounted(change: trees.TreeChange, stat: trees.FileStat) -> bool:
    """Whether lines do not tell what changes: binary files, links, submodules, and files that get another mode."""
    modes = {change.old_mode, change.new_mode} - {ABSENT}
    return stat.added is None or bool(modes & UNLIKE_FILES) or len(modes) > 1


def people_between(git_dir: Path, target: str, head: str) -> tuple[Person, ...]:
    """Author, committer and co-authors of all commits of ``target..head``, each once."""
    found: dict[Person, None] = {}
    for named in history.people_between(git_dir, target, head):
        found[_person(*named.author, How.AUTHORED)] = None
        found[_person(*named.committer, How.COMMITTED)] = None
        for name, address in (person for value in named.co_authors for person in _claimed(value)):
            found[_person(name, address, How.CO_AUTHORED)] = None
    return tuple(found)


def _claimed(value: str) -> list[tuple[str, str]]:
    """Name and address of everybody whom one line names: several stand there, too; without an address it is a name alone.

    No expression looks for them: a line may be megabytes long, and its author would choose how long that takes.
    """
    people: list[tuple[str, str]] = []
    for part in value.split(">"):
        text, mark, address = part.rpartition("<")
        words = [word for word in BETWEEN.split(text if mark else address) if word]
        people += [("", word) for word in words if _is_address(word)]
        if mark:
            people.append((" ".join(word for word in words if not _is_address(word)), address.strip()))
    return people or [(value, "")]


def _is_address(word: str) -> bool:
    return 0 < word.find("@") < len(word) - 1


def pin(git_dir: Path, number: int, revision: int, snapshot: Snapshot) -> None:
    """Keep head, target tip and merge result of CHG-``number`` r``revision`` for ever.

    Each ref is named after what it keeps, so an orphan of a lost race can never stand in the way
    of the winner (RELIABILITY K5). The result is kept by a commit on both parents.
    """
    oids = [snapshot.head, snapshot.target]
    if snapshot.tree:
        oids.append(
            result_commit(git_dir, number, revision, tree=snapshot.tree, target=snapshot.target, head=snapshot.head)
        )
    for oid in oids:
        refs.pin(git_dir, f"refs/portal/changes/{number}/r{revision}/{oid}", oid)


def result_commit(git_dir: Path, number: int, revision: int, *, tree: str, target: str, head: str) -> str:
    """A commit of the merge result, equal for equal input; only the pin names it, no branch ever does."""
    return merging.write_commit(
        git_dir,
        tree=tree,
        parents=(target, head),
        message=f"Merge result of CHG-{number} r{revision}",
        author=merging.SYNTHETIC,
        committer=merging.SYNTHETIC,
    )


def _person(name: str, email: str, how: str) -> Person:
    """A commit can name nobody at all: that is somebody whom nobody knows."""
    named, address = _storable(name)[:200], _storable(email).lower()[:254]
    return Person(named or ("" if address else NOBODY), address, how)


def _storable(text: str) -> str:
    return display(text).replace("\0", "").strip()

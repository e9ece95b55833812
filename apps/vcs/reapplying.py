"""One difference applied again on another base: what is left is what its author changed.

``base → result`` is applied onto ``onto`` by a three-way merge of trees (base, ours = onto, theirs = result). The idea is
Gerrit's (``ChangeKindCacheImpl``: a rebase is trivial iff cherry-picking the earlier patch set gives *exactly* the later
tree). It tells apart what a digest of the patch text cannot: the same hunk in another block, a line that is only
indented anew (ADR 0009).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.vcs import gateway, merging
from apps.vcs.objects import commit_tree_oid, entry_at, list_tree
from apps.vcs.paths import decode, encode

FOLDER = "040000"
MOST_APART = 200
"""Paths whose content is put in place one by one; with more of them nothing is told apart."""

THEIRS = 3  # the stage of "theirs" in Git's list of conflicts
Entry = tuple[str, str]  # mode and oid


@dataclass(frozen=True, slots=True)
class Reapplied:
    """``tree``: what ``result`` would be on the other base.

    ``mixed`` are paths whose edits could not be separated, sorted: in ``tree`` they are as in ``result``, so a
    difference from ``tree`` shows upstream's edits of them as well. ``whole``: that holds for every path.
    """

    tree: str
    mixed: tuple[str, ...] = ()
    whole: bool = False


def reapply(git_dir: Path, *, base: str, onto: str, result: str) -> Reapplied:
    """``base → result`` applied onto ``onto`` (commits or trees, full oids). Never guesses: a conflict is named.

    Writes objects that no ref names; equal input gives equal objects. No process starts when the base is the same.
    """
    base, onto, result = (commit_tree_oid(git_dir, oid) for oid in (base, onto, result))
    if base == onto:
        return Reapplied(result)
    if base == result:
        return Reapplied(onto)
    ours, theirs = merging.stand_ins(git_dir, base, onto, result)
    done = gateway.call(
        git_dir, "merge-tree", ["--write-tree", "-z", "--no-messages", ours, theirs], transport=merging.PASSING
    )
    if done.code not in {0, 1}:
        raise gateway.failed("merge-tree", done)
    # tree NUL ["<mode> <oid> <stage>" TAB path NUL]… (git-merge-tree(1), -z --no-messages)
    tree, *entries = [field for field in done.stdout.split(b"\0") if field]
    if done.code == 0:
        return Reapplied(tree.decode())
    return _apart(git_dir, tree.decode(), _stages(entries), known=(base, onto, result), result=result)


def _stages(entries: Iterable[bytes]) -> dict[str, Entry | None]:
    """What ``result`` has for each path in conflict; ``None`` where it has nothing."""
    found: dict[str, Entry | None] = {}
    for entry in entries:
        facts, _, path = entry.partition(b"\t")
        mode, oid, stage = facts.decode().split(" ")
        found.setdefault(decode(path), None)
        if int(stage) == THEIRS:
            found[decode(path)] = (mode, oid)
    return found


def _apart(
    git_dir: Path, tree: str, stages: Mapping[str, Entry | None], *, known: tuple[str, ...], result: str
) -> Reapplied:
    """The merged tree with every path in conflict as ``result`` has it, or nothing separated at all.

    A path that no side has was made up by the merge (a file where the other side has a folder, a folder that was
    renamed): taking it apart would hide what stands at the real path.
    """
    paths = tuple(sorted(stages))
    if len(paths) > MOST_APART or not all(any(entry_at(git_dir, side, path) for side in known) for path in paths):
        return Reapplied(result, paths, whole=True)
    placed = with_entries(git_dir, tree, stages)
    return Reapplied(result, paths, whole=True) if placed is None else Reapplied(placed, paths)


def with_entries(git_dir: Path, tree: str, entries: Mapping[str, Entry | None]) -> str | None:
    """``tree`` with each path set, or removed where ``None``; ``None`` when a file and a folder would meet."""
    here = {entry.path: (entry.mode, entry.oid) for entry in list_tree(git_dir, tree, recursive=False)}
    below: dict[str, dict[str, Entry | None]] = {}
    for path, entry in entries.items():
        name, _, rest = path.partition("/")
        is_folder = here.get(name, ("", ""))[0] == FOLDER
        if name in here and is_folder != bool(rest):
            return None
        if rest:
            below.setdefault(name, {})[rest] = entry
        elif entry is None:
            here.pop(name, None)
        else:
            here[name] = entry
    for name, inside in below.items():
        made = with_entries(git_dir, here[name][1] if name in here else gateway.EMPTY_TREE, inside)
        if made is None:
            return None
        if made == gateway.EMPTY_TREE:
            here.pop(name, None)
        else:
            here[name] = (FOLDER, made)
    return _write_tree(git_dir, here)


def _write_tree(git_dir: Path, entries: Mapping[str, Entry]) -> str:
    # Format of a tree object: "<mode without leading zero> <name>" NUL <20 bytes>; sorted as if folders ended in "/".
    def order(item: tuple[str, Entry]) -> bytes:
        return encode(item[0]) + (b"/" if item[1][0] == FOLDER else b"")

    raw = b"".join(
        mode.lstrip("0").encode() + b" " + encode(name) + b"\0" + bytes.fromhex(oid)
        for name, (mode, oid) in sorted(entries.items(), key=order)
    )
    return gateway.run(git_dir, "hash-object", ["-ttree", "-w", "--stdin"], stdin=raw).decode().strip()

"""Which Git commands the portal runs, with which flags, and what their arguments may look like.

Everything that is not listed is refused before a process starts (RELIABILITY finding 6; the idea is
that of Gitaly's command DSL). Positional arguments are full object ids, full refs or, for the four
commands that talk to a remote, an address that :mod:`apps.vcs.sources` has checked. A branch may be
called ``--output=x``: as ``refs/heads/--output=x`` it can never be read as a flag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.vcs.errors import CommandRefused

OID = r"[0-9a-f]{40}"
REF = r"refs/[^\x00-\x20\x7f~^:?*\[\\]+"
OIDS = re.compile(OID)
REVISIONS = re.compile(rf"\^?{OID}")
REFS_AND_OIDS = re.compile(rf"{OID}|{REF}")
REF_PATTERNS = re.compile(rf"{REF}|refs/heads/|refs/portal/|refs/")
REMOTE = r"https?://[^\s\x00-\x1f]+|ssh://[^\s\x00-\x1f]+|[\w.]+@[\w.-]+:[^\s\x00-\x1f-][^\s\x00-\x1f]*|/[^\x00-\x1f]*"
ONE_HEAD = r"\+(?P<head>refs/heads/[^\x00-\x20\x7f~^:?*\[\\]+):(?P=head)"
ONE_PUSHED = rf"refs/portal/pushing/{OID}/\*:refs/\*"
REFSPEC = rf"\+?refs/heads/\*:refs/heads/\*|{ONE_HEAD}|{ONE_PUSHED}|HEAD|refs/heads/\*|{OID}:{REF}|{REF}"
REMOTES = re.compile(rf"{REMOTE}|{REFSPEC}")
NOTHING = re.compile(r"(?!)")
HEAD_AND_REF = re.compile(rf"HEAD|{REF}")


@dataclass(frozen=True, slots=True)
class Command:
    """One allowed subcommand: exact ``flags``, ``values`` (patterns of whole flags), arguments."""

    positional: re.Pattern[str]
    flags: frozenset[str] = frozenset()
    values: re.Pattern[str] = NOTHING
    takes_paths: bool = False
    end_of_options: bool = True


def _command(
    positional: re.Pattern[str],
    flags: str = "",
    *,
    values: str = "(?!)",
    takes_paths: bool = False,
    end_of_options: bool = True,
) -> Command:
    return Command(positional, frozenset(flags.split()), re.compile(values), takes_paths, end_of_options)


LOG_VALUES = r"--max-count=\d+|--skip=\d+|--format=[ -~]*|--no-walk=unsorted"
LEASE = rf"--force-with-lease={REF}:(?:{OID})?"

COMMANDS: dict[str, Command] = {
    "blame": _command(OIDS, "--incremental", values=r"-L\d{1,8},\d{1,8}", takes_paths=True, end_of_options=False),
    "cat-file": _command(OIDS, "-t -s -e blob commit --batch-command -z", end_of_options=False),
    "commit-graph": _command(NOTHING, "write --reachable --changed-paths --no-progress", end_of_options=False),
    "diff-tree": _command(
        OIDS,
        "-r -M -p -z --stdin --raw --numstat --full-index --text --no-textconv --no-ext-diff "
        "--ignore-submodules=none --no-color --no-abbrev -w --ignore-blank-lines",
        values=r"-U\d{1,6}",
        takes_paths=True,
    ),
    "fast-import": _command(NOTHING, "--quiet --done --force", end_of_options=False),
    "fetch": _command(
        REMOTES,
        "--prune --no-tags --no-recurse-submodules --no-write-fetch-head --no-auto-maintenance "
        "--no-progress --quiet --no-show-forced-updates --no-write-commit-graph",
    ),
    "for-each-ref": _command(REF_PATTERNS, values=r"--format=[ -~]*|--count=\d+"),
    "fsck": _command(NOTHING, "--no-dangling --no-progress", end_of_options=False),
    "hash-object": _command(NOTHING, "-w --stdin", values="-t(?:commit|blob|tree)"),
    "init": _command(NOTHING, "--bare --quiet --template=", values=r"--object-format=sha1"),
    "log": _command(
        REVISIONS,
        "-z --no-notes --no-mailmap --no-decorate --no-show-signature --no-color --encoding=UTF-8 --topo-order "
        "--name-only --no-renames --no-merges",
        values=LOG_VALUES,
        takes_paths=True,
    ),
    "ls-remote": _command(REMOTES, "--symref --quiet"),
    "ls-tree": _command(OIDS, "-r -t -z -l", takes_paths=True),
    "merge-base": _command(OIDS, "--all --is-ancestor"),
    "merge-tree": _command(OIDS, "--write-tree --name-only -z --no-messages", end_of_options=False),
    "push": _command(
        REMOTES,
        "--porcelain --no-verify --no-progress --no-recurse-submodules --no-signed --no-follow-tags",
        values=LEASE,
    ),
    "repack": _command(NOTHING, "-d -l -q --geometric=2 --write-midx", end_of_options=False),
    "rev-list": _command(REVISIONS, "--count --objects --all --quiet", values=r"--max-count=\d+"),
    "show-ref": _command(HEAD_AND_REF, "--verify --hash"),
    "symbolic-ref": _command(HEAD_AND_REF, "--quiet", end_of_options=False),
    "unpack-objects": _command(NOTHING, "-q", end_of_options=False),
    "update-ref": _command(REFS_AND_OIDS, "--no-deref -d"),
    "version": _command(NOTHING, end_of_options=False),
}


def arguments(command: str, args: Sequence[str]) -> list[str]:
    """The checked argument list of ``git command …``; :class:`CommandRefused` when not allowed.

    ``args`` are flags, then positional arguments, then ``--`` and literal paths.
    """
    spec = COMMANDS.get(command)
    if spec is None:
        raise CommandRefused(f"The portal never runs 'git {command}'.")
    before, paths = _split(args)
    flags = [arg for arg in before if _is_flag(spec, arg)]
    positional = [arg for arg in before if not _is_flag(spec, arg)]
    for arg in positional:
        if arg.startswith("-") or not spec.positional.fullmatch(arg):
            raise CommandRefused(f"'git {command}' was given an argument that is not allowed.")
    if paths and not spec.takes_paths:
        raise CommandRefused(f"'git {command}' takes no paths.")
    if any("\0" in path for path in paths):
        raise CommandRefused("A path cannot contain a NUL byte.")
    guard = ["--end-of-options"] if spec.end_of_options and positional else []
    return [command, *flags, *guard, *positional, *(["--", *paths] if paths else [])]


def _split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    items = list(args)
    if "--" not in items:
        return items, []
    cut = items.index("--")
    return items[:cut], items[cut + 1 :]


def _is_flag(spec: Command, arg: str) -> bool:
    return arg in spec.flags or spec.values.fullmatch(arg) is not None

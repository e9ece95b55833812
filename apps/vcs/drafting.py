"""Writing commits of our own into a bare repository, without a work tree (``git fast-import``).

For repositories that the portal makes itself (the demo's, proposals). Format: git-fast-import(1).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from apps.core.errors import InvalidInput
from apps.vcs import gateway
from apps.vcs.history import Signature
from apps.vcs.paths import encode
from apps.vcs.refs import HEADS, PORTAL, branch_tip, check_branch_name

UNMADE = f"{PORTAL}unmade"
EXECUTABLE = "100755"
PLAIN = "100644"


def create_bare(git_dir: Path) -> None:
    """An empty bare repository whose first branch will be ``main``: whole or not there. OSError when one is there."""
    git_dir.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{git_dir.name}.", dir=git_dir.parent))
    try:
        gateway.run(draft, "init", ["--bare", "--quiet", "--template="])
        gateway.run(draft, "symbolic-ref", ["HEAD", "refs/heads/main"])
        draft.rename(git_dir)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def add_commit(
    git_dir: Path,
    *,
    branch: str,
    parent: str,
    files: Mapping[str, bytes | None],
    message: str,
    author: Signature,
    executables: frozenset[str] = frozenset(),
) -> str:
    """One commit on ``branch`` (made or moved): ``files`` maps a path to its new content, ``None`` deletes it.

    ``parent`` is the full oid to build on, or empty for a first commit. Returns the oid of the
    new commit. Equal input gives an equal commit.
    """
    check_branch_name(branch)
    stream = _commit(HEADS + branch, parent=parent, message=message, author=author)
    stream += _changes(files, executables)
    gateway.run(git_dir, "fast-import", ["--quiet", "--done", "--force"], stdin=_ended(stream))
    tip = branch_tip(git_dir, branch)
    if tip is None:
        raise InvalidInput("nothing_written", f"Git did not make the branch {branch}.")
    return tip


def add_loose_commit(
    git_dir: Path,
    *,
    parent: str,
    files: Mapping[str, bytes | None],
    message: str,
    author: Signature,
    anew: bool = False,
) -> str:
    """The same without a branch: a commit that no ref leads to yet. Its oid.

    ``anew``: nothing of the parent's tree stays.
    """
    stream = _commit(UNMADE, parent=parent, message=message, author=author)
    stream[1:1] = [b"mark :1"]
    stream += [b"deleteall"] if anew else []
    stream += _changes(files, frozenset())
    # fast-import moves a ref with each commit; one that is reset to nothing is never made (git-fast-import(1), reset).
    stream += [b"get-mark :1", f"reset {UNMADE}".encode(), f"from {gateway.ZERO_OID}\n".encode()]
    return gateway.run(git_dir, "fast-import", ["--quiet", "--done", "--force"], stdin=_ended(stream)).decode().strip()


def _commit(ref: str, *, parent: str, message: str, author: Signature) -> list[bytes]:
    stream = [f"commit {ref}".encode(), b"author " + _person(author), b"committer " + _person(author)]
    return [*stream, _data(encode(message)), *([f"from {parent}".encode()] if parent else [])]


def _changes(files: Mapping[str, bytes | None], executables: frozenset[str]) -> list[bytes]:
    stream: list[bytes] = []
    for path, content in files.items():
        name = _path(path)
        if content is None:
            stream.append(b"D " + name)
        else:
            mode = EXECUTABLE if path in executables else PLAIN
            stream += [f"M {mode} inline ".encode() + name, _data(content)]
    return stream


def _ended(stream: list[bytes]) -> bytes:
    return b"\n".join([*stream, b"done\n"])


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content


def _path(path: str) -> bytes:
    if not path or path.startswith(('"', "/")) or "\n" in path or ".." in path.split("/"):
        raise InvalidInput("bad_path", "A path is relative, without line breaks and without '..'.")
    return encode(path)


def _person(who: Signature) -> bytes:
    name = "".join(char for char in who.name if char not in "<>\n\0")
    email = "".join(char for char in who.email if char not in "<>\n\0")
    return encode(f"{name} <{email}> {int(who.at.timestamp())} {who.at.strftime('%z')[:5] or '+0000'}")

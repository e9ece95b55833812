"""The commit that takes something out of a branch again and leaves what came later."""

from __future__ import annotations

from pathlib import Path

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.deployments import messages
from apps.vcs import merging, objects
from apps.vcs.history import Signature


def write_inverse(
    actor: User,
    git_dir: Path,
    *,
    tip: str,
    before: str,
    after: str,
    message: str,
    left: str,
    code: str,
    words: tuple[str, str],
) -> str:
    """Undo the way from commit ``before`` to ``after`` on top of ``tip`` (all full oids): the oid of the portal's commit.

    :class:`Conflict` ``code`` with the files where later changes stand in the way; ``words`` say what cannot be done by
    itself, and what can be done instead. ``nothing_to_undo``: ``left`` says of what nothing is left, and where.
    """
    undone, kept, present = (objects.commit_tree_oid(git_dir, oid) for oid in (before, after, tip))
    result = merging.merge_trees(git_dir, kept, present, undone)
    if result.tree is None:
        files = list(result.conflicts)
        cannot, instead = words
        text = f"{cannot} by itself: later changes touched the same places in {first_few(files)}. {instead}"
        raise Conflict(code, text, files=files)
    if result.tree == present:
        raise Conflict("nothing_to_undo", left)
    return merging.write_commit(
        git_dir,
        tree=result.tree,
        parents=[tip],
        message=message,
        author=messages.signature_of(actor),
        committer=Signature(messages.PORTAL_NAME, messages.PORTAL_EMAIL, now()),
    )

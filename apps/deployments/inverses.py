"""The commit that takes something out of a branch again and leaves what came later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.deployments import messages
from apps.vcs import merging, objects
from apps.vcs.history import Signature
from apps.vcs.paths import display


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A branch whose tip is commit ``tip``, without the way from one commit to another; what came later stays.

    ``present`` is the tree of the tip, ``tree`` what it becomes: empty where later changes stand in the way in ``conflicts``.
    """

    tip: str
    present: str
    tree: str
    conflicts: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        return self.tree == self.present


def take_out(git_dir: Path, *, tip: str, before: str, after: str) -> TakenOut:
    """The way from commit ``before`` to ``after`` taken out of ``tip`` (all full oids) by a three-way merge of trees."""
    undone, kept, present = (objects.commit_tree_oid(git_dir, oid) for oid in (before, after, tip))
    result = merging.merge_trees(git_dir, kept, present, undone)
    return TakenOut(tip, present, result.tree or "", tuple(map(display, result.conflicts)))


def write_inverse(
    actor: User, git_dir: Path, taken: TakenOut, *, message: str, left: str, code: str, words: tuple[str, str]
) -> str:
    """The portal's commit that does ``taken``: its oid.

    :class:`Conflict` ``code`` with the files where later changes stand in the way; ``words`` say what cannot be done by
    itself, and what can be done instead. ``nothing_to_undo``: ``left`` says of what nothing is left, and where.
    """
    if not taken.tree:
        files = list(taken.conflicts)
        cannot, instead = words
        text = f"{cannot} by itself: later changes touched the same places in {first_few(files)}. {instead}"
        raise Conflict(code, text, files=files)
    if taken.is_nothing:
        raise Conflict("nothing_to_undo", left)
    return merging.write_commit(
        git_dir,
        tree=taken.tree,
        parents=[taken.tip],
        message=message,
        author=messages.signature_of(actor),
        committer=Signature(messages.PORTAL_NAME, messages.PORTAL_EMAIL, now()),
    )

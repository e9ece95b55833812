"""Which gate a roll-back will meet, told before it is asked for; the verdict of the change that is made decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.policies.config import MERGE
from apps.policies.queries import policy_at
from apps.presentation.lines import Line, patch_lines
from apps.repositories.models import Repository
from apps.reviews.emergencies import restores_state

LINES_SHOWN = 300


@dataclass(frozen=True, slots=True)
class GateAhead:
    """``restores``: the branch becomes what it was before, approved and live; then ``approvals`` of others are asked for.

    Otherwise the ordinary rules hold, whose names are ``rules``. ``beforehand``: people who approved exactly such a roll-back
    with the change, as far as the policy lets that count. ``confirmers``: who confirms an emergency, where one is the fast way.
    """

    restores: bool
    approvals: int
    rules: tuple[str, ...]
    beforehand: tuple[str, ...] = ()
    confirmers: tuple[str, ...] = ()


def gate_ahead(
    repository: Repository,
    branch: str,
    tip: str,
    tree: str,
    environments: Collection[str],
    *,
    also_reached: Collection[str] = (),
    undone: ChangeRequest | None = None,
    beforehand: Iterable[str] = (),
) -> GateAhead:
    """For ``tree`` on ``branch``, whose tip is ``tip``, to be deployed to these environments.

    ``also_reached``: names of others that the verdict will count. ``undone``: the change that it takes out.
    """
    config = policy_at(repository, branch, tip).config
    reached = {*environments, *also_reached}
    restores = restores_state(repository, branch, tree, environments, undone=undone)
    emergency = config.emergency if not restores else None
    return GateAhead(
        restores=restores,
        approvals=config.rollback.approvals_for(row.protected for row in config.environments if row.name in reached),
        rules=tuple(rule.name for rule in config.rules if rule.stage == MERGE) or ("an owner",),
        beforehand=tuple(beforehand) if config.rollback.preauthorised_seconds else (),
        confirmers=emergency.from_ if emergency else (),
    )


@dataclass(frozen=True, slots=True)
class Patch:
    """The first :data:`LINES_SHOWN` lines of a patch; ``more`` follow."""

    lines: tuple[Line, ...]
    more: int


def patch_of(raw: bytes) -> Patch:
    """``raw`` as Git prints it, by the sign of each line."""
    lines = list(patch_lines(raw, with_heads=True))
    return Patch(tuple(lines[:LINES_SHOWN]), max(0, len(lines) - LINES_SHOWN))

"""Asking the modules of Rego that the policy names: what they are told, and what their answer adds to the facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from apps.changes import queries as changes
from apps.changes.models import ChangeRequest, Revision
from apps.diffs.files import FileChange
from apps.policies import evaluation
from apps.policies.queries import Policy
from apps.policies.rego.answers import answer
from apps.reviews.content import files_of
from apps.reviews.people import People, principals
from apps.vcs.paths import display


def with_rego(
    facts: evaluation.Facts, change: ChangeRequest, policy: Policy, people: People
) -> tuple[evaluation.Facts, Policy]:
    """The facts with the recorded answer, and the policy with the rules that the answer brings; both as they are without modules."""
    if change.revision is None or not evaluation.is_asked(facts) or policy.modules is None:
        return facts, policy
    facts = replace(facts, about=about(change, change.revision))
    facts = replace(facts, rego=answer(policy.modules, facts))
    required = evaluation.required_rules(facts)
    if not required:
        return facts, policy
    names = {name for rule in required for name in rule.needs.principals}
    known = {**facts.principals, **principals(names, people)}
    config = replace(policy.config, rules=(*policy.config.rules, *required))
    return replace(facts, principals=known), replace(policy, config=config)


def about(change: ChangeRequest, revision: Revision) -> evaluation.AboutFact:
    """What nothing else is told of the change."""
    strangers = tuple(row.how[0] for row in changes.unknown_contributors(change))
    return about_with(change, revision, files_of(change, revision), strangers)


def about_with(
    change: ChangeRequest, revision: Revision, files: Iterable[FileChange], strangers: tuple[str, ...]
) -> evaluation.AboutFact:
    """The same, with the ``files`` and the ``strangers`` (addresses of contributors who are nobody here) that are known already."""
    return evaluation.AboutFact(
        number=change.number,
        title=change.title,
        author=change.requester.username,
        kind=str(change.kind),
        target_branch=revision.target_branch,
        files=tuple(
            evaluation.FileFact(display(file.path), file.status_word, display(file.old_path) if file.is_moved else "")
            for file in files
        ),
        strangers=strangers,
    )

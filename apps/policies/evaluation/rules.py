"""From rules to requirements. A rule that cannot be judged fails; it is never skipped and never met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from apps.policies.codeowners import OwnerMatch
from apps.policies.config import CODE_OWNERS, DEPLOY, MERGE, REVIEWERS, Needs, Rule, StandardConfig, approvals_words
from apps.policies.evaluation.checks import check_requirements
from apps.policies.evaluation.clauses import pattern_of, when_not
from apps.policies.evaluation.demands import Judged, approvals
from apps.policies.evaluation.effects import not_touched
from apps.policies.evaluation.facts import ROLLBACK, CannotEvaluate, Facts
from apps.policies.evaluation.groups import group_requirements
from apps.policies.evaluation.rego import NAME as REGO
from apps.policies.evaluation.rego import required_rules, why_unanswered
from apps.policies.evaluation.standard import fitting_standard, near_standards, standard_requirement
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, NOT_NEEDED, Requirement, RuleRef

_UNTOLD = "This could not be evaluated"
DEFAULT_RULE = Rule("An owner", needs=Needs(1, (CODE_OWNERS,)))
"""What holds for a merge when no rule of the file applies to it (DESIGN §4)."""


@dataclass(slots=True)
class OwnerGroup:
    """Touched paths that the same owners of the same section answer for."""

    match: OwnerMatch
    paths: list[str] = field(default_factory=list)


def rule_requirements(rules: Sequence[Rule], ledger: Ledger) -> list[Judged]:
    """One requirement or more for every rule of this stage, in the order of the file; then what modules of Rego ask for."""
    facts = ledger.facts
    if facts.kind == ROLLBACK:
        return [*_replaced(rules, facts), _rollback(ledger)]
    rules = (*rules, *required_rules(facts))
    judged = _unanswered(facts)
    standard = fitting_standard(ledger)
    if standard is not None:
        return [*judged, standard_requirement(standard, facts), *_preapproved(rules, standard, ledger)]
    judged += near_standards(ledger)
    one_applies = False
    for rule in rules:
        if rule.stage not in (MERGE, DEPLOY):
            judged.append(not_evaluated("rule", rule.name, f"`{rule.stage}` is no known stage", _ref(rule, facts)))
        elif rule.stage == facts.stage:
            found, applies = _safely(rule, ledger)
            judged += found
            # A rule that asks pipelines only leaves it open who has to look.
            one_applies = one_applies or (applies and _asks_people(rule.needs))
    if facts.stage == MERGE and not one_applies:
        judged += _safely(DEFAULT_RULE, ledger)[0]
    return judged


def _unanswered(facts: Facts) -> list[Judged]:
    """Modules of Rego that are asked and have not answered: what they would deny or require is not known."""
    why = why_unanswered(facts)
    return [not_evaluated("rule", REGO, why, RuleRef(REGO, f"{facts.policy.rego}/"))] if why else []


def _asks_people(needs: object) -> bool:
    return not isinstance(needs, Needs) or bool(needs.approvals or needs.groups)


def not_evaluated(code: str, name: str, why: str, rule: RuleRef | None = None) -> Judged:
    """The requirement that stands for "we do not know": failed, never met."""
    text = f"{_UNTOLD}: {why}. It holds the change until it can be."
    return Judged(Requirement(code, name, FAILED, text, rule=rule))


def is_untold(requirement: Requirement) -> bool:
    """Whether it failed because nobody knows, and not because something is missing."""
    return requirement.text.startswith(_UNTOLD)


def _ref(rule: Rule, facts: Facts) -> RuleRef:
    return RuleRef(rule.name, rule.file or (facts.policy.path if rule.line else ""), rule.line)


def _safely(rule: Rule, ledger: Ledger) -> tuple[list[Judged], bool]:
    """What the rule asks for, and whether it applies. Whatever goes wrong inside is a failed requirement."""
    ref = _ref(rule, ledger.facts)
    try:
        why_not = _does_not_apply(rule, ledger)
        if why_not:
            return [Judged(Requirement("rule", rule.name, NOT_NEEDED, why_not, rule=ref))], False
        return _judge(rule, ledger, ref), True
    except CannotEvaluate as error:
        return [not_evaluated("rule", rule.name, str(error), ref)], True
    except Exception as error:  # noqa: BLE001 - fail closed: a defect in one rule must hold the change, not open it
        return [not_evaluated("rule", rule.name, f"{type(error).__name__} inside the rule", ref)], True


def _does_not_apply(rule: Rule, ledger: Ledger) -> str:
    """Why the rule is not needed here; ``""`` when it applies."""
    when, facts = rule.when, ledger.facts
    if when.environments:
        _known_environments(when.environments, facts)
        if not set(when.environments) & set(_reached(facts)):
            return f"Only for {' and '.join(when.environments)}, which this does not reach."
    if when.paths and not any(ledger.touched.paths.has_match(pattern_of(text)) for text in when.paths):
        return f"Only for {' and '.join(when.paths)}, which this does not touch."
    why_not = when_not(when, facts)
    if why_not:
        return why_not
    if when.resources is not None:
        reached = set(_reached(facts))
        return not_touched(when.resources, ledger, reached & set(when.environments or reached))
    return ""


def _known_environments(names: Sequence[str], facts: Facts) -> None:
    known = {environment.name for environment in facts.environments}
    missing = [name for name in names if name not in known]
    if missing:
        raise CannotEvaluate(f"{' and '.join(missing)} is not among the environments")


def _reached(facts: Facts) -> list[str]:
    if facts.stage == DEPLOY:
        return [facts.environment]
    return [environment.name for environment in facts.environments if environment.affected]


def _judge(rule: Rule, ledger: Ledger, ref: RuleRef) -> list[Judged]:
    needs = rule.needs
    clauses = rule.when.unevaluated + needs.unevaluated
    if clauses:
        raise CannotEvaluate(f"{' and '.join(f'`{clause}`' for clause in clauses)} cannot be judged by this version")
    judged = check_requirements(rule, ledger, ref)
    if needs.groups:
        return [*group_requirements(rule, ledger, ref), *judged]
    if judged and needs.approvals == 0:
        return judged
    if needs.approvals < 1 or not needs.from_:
        raise CannotEvaluate("it asks for no approval of anybody")
    if CODE_OWNERS in needs.from_:
        return [*_owners(rule, ledger, ref), *judged]
    text = f"{approvals_words(needs.approvals)} from {' or '.join(needs.from_)}"
    one = approvals(
        ledger,
        code="rule",
        name=rule.name,
        principals=needs.from_,
        count=needs.approvals,
        text=text,
        rule=ref,
        needs=needs,
    )
    return [one, *judged]


def _owners(rule: Rule, ledger: Ledger, ref: RuleRef) -> list[Judged]:
    """Every owned path covered by an owner of it; where nobody owns anything touched, by any reviewer."""
    others = tuple(name for name in rule.needs.from_ if name != CODE_OWNERS)
    groups = owner_groups(ledger.facts)
    required = [group for group in groups if not group.match.optional]
    judged = [_optional(group, ledger.facts) for group in groups if group.match.optional]
    judged += [_owner_group(rule, group, others, ledger) for group in required]
    if required and rule.needs.approvals <= max(group.match.approvals for group in required):
        return judged
    names = [owner for group in required for owner in group.match.owners] or [REVIEWERS]
    whom = "any owner of the touched paths" if required else "any reviewer, because nobody owns the touched paths"
    together = approvals(
        ledger,
        code="rule",
        name=rule.name,
        principals=tuple(dict.fromkeys((*names, *others))),
        count=rule.needs.approvals,
        text=f"{approvals_words(rule.needs.approvals)} from {whom}",
        rule=ref,
        needs=rule.needs,
    )
    return [*judged, together]


def _owner_group(rule: Rule, group: OwnerGroup, others: tuple[str, ...], ledger: Ledger) -> Judged:
    match = group.match
    principals = tuple(dict.fromkeys((*match.owners, *others)))
    return approvals(
        ledger,
        code="code_owners",
        name=_owners_of(match),
        principals=principals,
        count=match.approvals,
        text=f"{approvals_words(match.approvals)} for {_paths(group.paths)} from {' or '.join(principals)}",
        rule=RuleRef(rule.name, ledger.facts.policy.owners_path, match.line),
        paths=group.paths,
        needs=rule.needs,
    )


def owner_groups(facts: Facts) -> list[OwnerGroup]:
    """Touched paths by section and owners, in the order of the file."""
    owners = {found.path: found.matches for found in facts.owners}
    groups: dict[tuple[str, bool, int, tuple[str, ...]], OwnerGroup] = {}
    for path in facts.changed_paths:
        if path not in owners:
            raise CannotEvaluate(f"the owners of {path} are not known")
        for match in owners[path]:
            key = (match.section, match.optional, match.approvals, match.owners)
            groups.setdefault(key, OwnerGroup(match)).paths.append(path)
    return sorted(groups.values(), key=lambda group: (group.match.line, group.match.section))


def _owners_of(match: OwnerMatch) -> str:
    """The requirement's name, as it reads after "Your approval will count for"."""
    if match.section:
        return f"owners in {match.section}"
    return "owners of everything else" if match.pattern == "*" else f"owners of {match.pattern}"


def _optional(group: OwnerGroup, facts: Facts) -> Judged:
    match = group.match
    text = f"{' or '.join(match.owners)} may look at {_paths(group.paths)}, but the section is optional."
    rule = RuleRef(match.section, facts.policy.owners_path, match.line)
    return Judged(Requirement("code_owners", match.section or match.pattern, NOT_NEEDED, text, rule=rule))


def _replaced(rules: Sequence[Rule], facts: Facts) -> list[Judged]:
    text = "A rollback is judged by the `rollback` settings instead."
    return [
        Judged(Requirement("rule", rule.name, NOT_NEEDED, text, rule=_ref(rule, facts)))
        for rule in rules
        if rule.stage == facts.stage
    ]


def _preapproved(rules: Sequence[Rule], standard: StandardConfig, ledger: Ledger) -> list[Judged]:
    """The rules whose people approved the template with the policy; what they ask of pipelines still holds."""
    judged: list[Judged] = []
    for rule in rules:
        if rule.stage != ledger.facts.stage:
            continue
        ref = _ref(rule, ledger.facts)
        text = f"Approved beforehand, as the standard change “{standard.name}”."
        judged.append(Judged(Requirement("rule", rule.name, NOT_NEEDED, text, rule=ref)))
        if rule.needs.checks:
            alone = replace(rule, needs=Needs(0, checks=rule.needs.checks))
            judged += [one for one in _safely(alone, ledger)[0] if one.requirement.state != NOT_NEEDED]
    return judged


def _rollback(ledger: Ledger) -> Judged:
    """As many approvals as the strictest reached environment asks for, none of them the requester's."""
    facts = ledger.facts
    reached = [found for found in facts.environments if found.name in _reached(facts)]
    if facts.stage == DEPLOY and not reached:
        return not_evaluated("rollback", "Rollback", f"the environment {facts.environment} is not known")
    count = facts.rollback.approvals_for(found.protected for found in reached)
    rule = RuleRef("rollback", facts.policy.path)
    where = " and ".join(found.name for found in reached) or "the branch"
    if count < 1:
        text = f"Going back in {where} to what was approved and live before needs no approval."
        return Judged(Requirement("rollback", "Rollback", NOT_NEEDED, text, rule=rule))
    text = f"{approvals_words(count)} for going back in {where}, by someone else than who asked for it"
    return approvals(
        ledger, code="rollback", name="Rollback", principals=(REVIEWERS,), count=count, text=text, rule=rule
    )


def _paths(paths: Sequence[str]) -> str:
    more = len(paths) - 1
    return paths[0] if not more else f"{paths[0]} and {more} other path{'s' if more > 1 else ''}"

"""Requirements that are not about approvals: state, revision, conflicts, change requests, threads, policy."""

from __future__ import annotations

from dataclasses import replace

from apps.policies.evaluation.demands import APPROVES, Demand, Judged, approvals
from apps.policies.evaluation.facts import CannotEvaluate, Facts
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, WAITING, Requirement, RuleRef

READY_STATUS = {"merge": ("in_review", "merging"), "deploy": ("merged", "done")}
WAITING_STATUS = {"merge": ("requested", "draft"), "deploy": ("requested", "draft", "in_review", "merging")}
MAINTAINERS = "role/maintainer"
BROKEN_APPROVALS = 2
"""How many maintainers must approve while no valid policy exists (docs/portal-yaml.md)."""
_SHOWN = 5


def _waiting(ledger: Ledger, requirement: Requirement, people: set[int]) -> Judged:
    """A requirement that one of ``people`` can lift by :attr:`Requirement.action`."""
    able = frozenset(person for person in people if person in ledger.people and ledger.people[person].active)
    return Judged(
        replace(requirement, who_can_act=ledger.names(able)), Demand(able, 1, requirement.action) if able else None
    )


def _workers(facts: Facts) -> set[int]:
    """Who works on the change: contributors and requester."""
    return {found.person for found in facts.contributors} | (
        {facts.requester} if facts.requester is not None else set()
    )


def status_gate(ledger: Ledger) -> Judged:
    """The change is in a state in which this gate can open."""
    facts = ledger.facts
    name = "In review" if facts.stage == "merge" else "Merged"
    if facts.status in READY_STATUS[facts.stage]:
        return Judged(Requirement("state", name, MET, f"The change is {facts.status.replace('_', ' ')}."))
    if facts.status in WAITING_STATUS[facts.stage]:
        text = f"The change is {facts.status.replace('_', ' ')}; {'review has not begun' if facts.stage == 'merge' else 'it is not merged yet'}."
        action = "marks it ready" if facts.stage == "merge" else "merges it"
        return _waiting(ledger, Requirement("state", name, WAITING, text, action=action), _workers(facts))
    return Judged(
        Requirement(
            "state", name, FAILED, f"The change is {facts.status.replace('_', ' ')}, so this is no longer possible."
        )
    )


def revision_gate(ledger: Ledger) -> Judged:
    """There is a revision, it is the current one, and it changes something."""
    facts, name = ledger.facts, "Current revision"
    action = "pushes a revision"
    if facts.revision < 1:
        text = "There is no revision yet: a branch has to be attached."
    elif facts.has_source is not True:
        text = "The source branch was deleted. Push it again, or withdraw the change."
    elif facts.has_target is not True:
        text = "The target branch does not exist any more. Retarget the change, or push the branch again."
        action = "retargets it"
    elif facts.is_coming is not False:
        text = f"A branch moved after r{facts.revision}. The portal makes the next revision, which is judged on its own; nothing is to be done."
        return Judged(Requirement("revision", name, WAITING, text), opens="the next revision is there")
    elif facts.is_current is not True:
        text = f"r{facts.revision} is not the current revision any more; the newest one is judged on its own."
    elif facts.is_empty is not False:
        text = f"r{facts.revision} changes nothing on the target branch, so there is nothing to merge."
    else:
        return Judged(Requirement("revision", name, MET, f"r{facts.revision} is current."))
    return _waiting(ledger, Requirement("revision", name, WAITING, text, action=action), _workers(facts))


def conflict_gate(ledger: Ledger) -> Judged:
    """The merge result exists."""
    paths = ledger.facts.conflicts
    if not paths:
        return Judged(Requirement("conflicts", "No conflicts", MET, "It merges cleanly."))
    number = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
    requirement = Requirement(
        "conflicts",
        "No conflicts",
        WAITING,
        f"It conflicts with the target branch in {number}. Merge or rebase the source branch and push it.",
        _some(paths),
        action="resolves the conflicts",
    )
    return _waiting(ledger, requirement, _workers(ledger.facts))


def change_request_gates(ledger: Ledger) -> list[Judged]:
    """Nobody asks for changes; one row per person who does."""
    name = "No change requests"
    found = {request.person: request for request in ledger.facts.change_requests}
    if not found:
        return [Judged(Requirement("change_requests", name, MET, "Nobody asks for changes."))]
    judged = []
    for person in sorted(found, key=ledger.name):
        who = ledger.name(person)
        may_approve = ledger.bar(person) is None
        how = "an approval" if may_approve else "a review that only comments"
        how = f"{how} or by withdrawing the request"
        text = (
            f"{who} asks for changes in r{found[person].revision}. Only {who} can clear that, by {how}; "
            f"it also ends when a maintainer takes {who}'s review role away."
        )
        action = APPROVES if may_approve else "withdraws the request for changes"
        requirement = Requirement(
            "change_requests", name, WAITING, text, (f"{who} on r{found[person].revision}",), action=action
        )
        one = _waiting(ledger, requirement, {person})
        if one.demand is None:
            requirement = replace(requirement, who_can_act=ledger.names(_maintainers(ledger)))
            one = Judged(requirement, Demand(frozenset(_maintainers(ledger)), 1, f"takes the role of {who} away"))
        judged.append(one)
    return judged


def _maintainers(ledger: Ledger) -> set[int]:
    return {
        person for person in ledger.members(MAINTAINERS) if person in ledger.people and ledger.people[person].active
    }


def thread_gate(ledger: Ledger) -> Judged:
    """Every blocking thread is resolved."""
    threads = ledger.facts.open_threads
    if not threads:
        return Judged(Requirement("threads", "Threads resolved", MET, "No blocking thread is open."))
    number = "1 blocking thread is" if len(threads) == 1 else f"{len(threads)} blocking threads are"
    action = "resolves the thread" if len(threads) == 1 else f"resolves {len(threads)} threads"
    evidence = _some(
        tuple(f"{ledger.name(thread.author)}{f' on {thread.where}' if thread.where else ''}" for thread in threads)
    )
    requirement = Requirement("threads", "Threads resolved", WAITING, f"{number} open.", evidence, action=action)
    return _waiting(ledger, requirement, {thread.author for thread in threads} | _workers(ledger.facts))


def policy_gates(ledger: Ledger) -> list[Judged]:
    """What is said about the policy itself; nothing while the file on the tip governs."""
    policy = ledger.facts.policy
    rule = RuleRef("Policy", policy.path)
    if policy.governs in ("file", "default"):
        return []
    if policy.governs == "last_valid":
        text = f"{policy.path} or {policy.owners_path} on the target branch is broken; the last valid version governs."
        return [Judged(Requirement("policy", "Policy", MET, text, _some(policy.problems), rule=rule))]
    if policy.governs != "broken":
        raise CannotEvaluate(f"`{policy.governs}` is no known origin of a policy")
    return [_broken(ledger, rule)]


def _broken(ledger: Ledger, rule: RuleRef) -> Judged:
    """No valid policy ever existed: closed, but for two maintainers, so that the repair can be merged."""
    judged = approvals(
        ledger,
        code="policy",
        name="Policy is broken",
        principals=(MAINTAINERS,),
        count=BROKEN_APPROVALS,
        text="The policy on the target branch cannot be read, so its rules are unknown; "
        f"{BROKEN_APPROVALS} maintainers must approve",
        rule=rule,
    )
    found = judged.requirement
    state = found.state if found.state == MET else FAILED
    requirement = replace(found, state=state, evidence=_some(ledger.facts.policy.problems) + found.evidence)
    return Judged(requirement, judged.demand)


def _some(lines: tuple[str, ...]) -> tuple[str, ...]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else (*lines[:_SHOWN], f"and {more} more")

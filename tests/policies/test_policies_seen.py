"""Rules that ask for what was seen: from the file to the verdict; and every reason why an approval does not count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.policies.config import Needs, Rule, parse_portal_yaml
from apps.policies.evaluation import (
    ChangeRequest,
    Contributor,
    Facts,
    Part,
    PolicyVerdict,
    Review,
    Standing,
    evaluate,
    from_record,
    replay,
    to_record,
)
from apps.reviews.supposing import worth_of
from tests.support.policy_facts import ALICE, BOB, CAROL, GONE, KIM, ROBOT, facts, rule

HEAD = b"apiVersion: portal/v1\n"
FILE_A, FILE_B = Part("file:a", "a.yaml"), Part("file:b", "b.yaml")
PARTS = (FILE_A, FILE_B, Part("file:a", "a.yaml: PVC db", ("destroys",)), Part("file:b", "b.yaml: Role r", ("rbac",)))


def sees(*seen: str, count: int = 1, who: str = "team/sre") -> Rule:
    return Rule("careful", needs=Needs(count, (who,), seen=seen), line=3)


def with_parts(*reviews: Review, **more: Any) -> Facts:
    return facts(reviews=reviews, parts=PARTS, **more)


def approved(person: int, *seen: str, **more: Any) -> Review:
    return Review(person, "approve", 3, seen=seen, id=person, **more)


@pytest.mark.parametrize(
    ("text", "seen"),
    [("all", ("all",)), ("[all]", ("all",)), ("[destroys]", ("destroys",)), ("[destroys, rbac]", ("destroys", "rbac"))],
)
def test_the_file_says_what_must_be_seen(text: str, seen: tuple[str, ...]) -> None:
    config = parse_portal_yaml(HEAD + f"rules: [{{name: a, needs: {{approvals: 1, seen: {text}}}}}]".encode()).config
    assert config is not None
    assert config.rules[0].needs.seen == seen
    assert not config.rules[0].needs.unevaluated


@pytest.mark.parametrize("text", ["[]", "rbac", "[deletes]", "true", "[destroys, destroys]", "{}", "[1]", "''"])
def test_what_is_nothing_that_can_be_seen_is_an_error_with_place_and_remedy(text: str) -> None:
    parsed = parse_portal_yaml(HEAD + f"rules:\n- {{name: a, needs: {{approvals: 1, seen: {text}}}}}".encode())
    assert parsed.config is None
    assert parsed.problems[0].line == 3
    assert parsed.problems[0].path.startswith("rules[0].needs.seen")
    assert parsed.problems[0].fix


def test_an_approval_counts_once_everything_asked_for_was_viewed() -> None:
    assert evaluate([sees("destroys")], with_parts(approved(BOB, "file:a"))).allowed
    assert evaluate([sees("destroys", "rbac")], with_parts(approved(BOB, "file:a", "file:b"))).allowed
    assert evaluate([sees("all")], with_parts(approved(BOB, "file:a", "file:b"))).allowed


@pytest.mark.parametrize(
    ("seen", "viewed", "words"),
    [
        (("destroys",), (), "1 of 1 destroy not seen (a.yaml: PVC db)"),
        (("destroys",), ("file:b",), "1 of 1 destroy not seen (a.yaml: PVC db)"),
        (("destroys", "rbac"), ("file:a",), "1 of 1 access right not seen (b.yaml: Role r)"),
        (("all",), ("file:b", "file:other"), "1 of 2 files not seen (a.yaml)"),
    ],
)
def test_an_approval_without_does_not_count_and_says_what_was_missing(
    seen: tuple[str, ...], viewed: tuple[str, ...], words: str
) -> None:
    verdict = evaluate([sees(*seen)], with_parts(approved(BOB, *viewed)))
    assert not verdict.allowed
    row = next(found for found in verdict.requirements if found.name == "careful")
    assert (row.have, row.state) == (0, "waiting")
    assert "bob" in row.who_can_act, "who approved without looking may look and approve again"
    assert row.not_counted[0].code == Standing.NOT_ALL_SEEN
    assert words in row.not_counted[0].text


def test_each_of_several_approvers_must_have_seen_it() -> None:
    rules = [sees("destroys", count=2)]
    assert not evaluate(rules, with_parts(approved(BOB, "file:a"), approved(KIM))).allowed
    assert evaluate(rules, with_parts(approved(BOB, "file:a"), approved(KIM, "file:a"))).allowed


def test_parts_that_nobody_looked_for_hold_the_change() -> None:
    unknown = replace(with_parts(approved(BOB, "file:a")), parts=None)
    verdict = evaluate([sees("destroys")], unknown)
    assert not verdict.allowed
    assert "could not be evaluated" in verdict.reasons[0].text
    assert evaluate([rule()], unknown).allowed, "a rule that asks for nothing to be seen needs no parts"


def test_a_clause_that_is_not_understood_holds_the_change() -> None:
    assert not evaluate([sees("plans")], with_parts(approved(BOB, "file:a", "file:b"))).allowed


def test_a_rule_in_plain_words_says_what_must_be_viewed() -> None:
    verdict = evaluate([sees("destroys", "rbac")], with_parts())
    row = next(found for found in verdict.requirements if found.name == "careful")
    assert (
        row.text
        == "1 approval from team/sre, who viewed everything that is destroyed and all roles and bindings: 0 of 1."
    )


def test_a_verdict_with_parts_is_replayed_from_its_record() -> None:
    given = with_parts(approved(BOB, "file:a"))
    record = to_record([sees("destroys")], given)
    assert from_record(record)[1] == given
    assert replay(record) == evaluate([sees("destroys")], given)


def test_supposing_an_approval_tells_what_it_would_be_worth_and_changes_nothing() -> None:
    given = with_parts(change_requests=(ChangeRequest(BOB, 2),))
    worth = worth_of([sees("destroys")], given, BOB, ())
    assert (worth.counts_for, [part.label for part in worth.unseen]) == ((), ["a.yaml: PVC db"])
    worth = worth_of([sees("destroys")], given, BOB, ("file:a",))
    assert worth.counts_for == ("careful",)
    assert worth.verdict.allowed, "one's own approval clears one's own request for changes"
    assert worth_of([sees("destroys")], given, CAROL, ("file:a",)).counts_for == ()
    assert given.reviews == ()


def standing(verdict: PolicyVerdict, code: str) -> str:
    rows = [*verdict.standings, *(row for need in verdict.requirements for row in need.not_counted)]
    return next((row.text for row in rows if row.code == code), "")


RULE = [rule(1, "team/sre")]
REASONS: dict[str, tuple[list[Rule], Facts, str]] = {
    "author": (RULE, facts(reviews=(approved(ALICE),)), "alice is an author of r2"),
    "committer": (RULE, facts(reviews=(approved(BOB),), contributors=(Contributor(BOB, "committer", 3),)), "bob committed to r3"),
    "pusher": (RULE, facts(reviews=(approved(BOB),), contributors=(Contributor(BOB, "pusher", 2),)), "bob pushed r2"),
    "co_author": (RULE, facts(reviews=(approved(BOB),), contributors=(Contributor(BOB, "co_author", 1),)), "bob is named as co-author in r1"),
    "sponsor": (RULE, facts(reviews=(approved(BOB),), contributors=(Contributor(BOB, "sponsor", 2),)), "bob answers for a service account"),
    "suggestion": (RULE, facts(reviews=(approved(BOB),), contributors=(Contributor(BOB, "suggestion", 2),)), "bob's suggestion is part of r2"),
    "requester": (RULE, facts(reviews=(approved(KIM),), kind="rollback", requester=KIM, contributors=()), "kim asked for this rollback"),
    "not_in_group": (RULE, facts(reviews=(approved(CAROL),)), "carol is not in a group"),
    "disabled": (RULE, facts(reviews=(approved(GONE),)), "gone's account is disabled"),
    "service_account": (RULE, facts(reviews=(approved(ROBOT),)), "robot is a service account"),
    "role_removed": (RULE, facts(reviews=(approved(BOB),), people=tuple(replace(p, may_approve=p.id != BOB) for p in facts().people)), "bob no longer has a role"),
    "source_changed": (RULE, facts(reviews=(Review(BOB, "approve", 2, subject_equal=False),)), "r3 changed the source since bob approved r2"),
    "base_moved": (RULE, facts(reviews=(approved(BOB, subject_equal=False),)), "The target branch moved and the result differs"),
    "retargeted": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="retargeted"),)), "bob approved r3 for another target branch"),
    "reopened": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="reopened"),)), "bob approved r3 before the change was withdrawn and reopened"),
    "superseded": (RULE, facts(reviews=(approved(BOB), Review(BOB, "request_changes", 3))), "bob has since given another verdict"),
    "withdrawn": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="withdrawn"),)), "bob withdrew the approval of r3"),
    "not_all_seen": ([sees("destroys")], facts(reviews=(approved(BOB),), parts=PARTS), "1 of 1 destroy not seen (a.yaml: PVC db)"),
    "inverse_differs": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="inverse_differs"),)), "bob approved another roll-back beforehand"),
    "approval_lost": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="approval_lost"),)), "bob's approval of the change that is rolled back does not count"),
    "not_named": (RULE, facts(reviews=(approved(BOB, counts=False, why_not="not_named"),)), "was not named to bob"),
    "unknown": (RULE, facts(reviews=(approved(BOB, counts=False),)), "bob's approval could not be evaluated"),
}  # fmt: skip
LATER = {"rendered_changed", "plan_changed", "expired", "reauthentication_missing", "policy_changed"}
"""Nothing gives these yet: renderings, plans and the rule options behind them come later (see ``standing``)."""


@pytest.mark.parametrize("code", REASONS)
def test_acceptance_18_every_reason_why_an_approval_does_not_count_is_a_sentence(code: str) -> None:
    rules, given, words = REASONS[code]
    verdict = evaluate(rules, given)
    assert not verdict.allowed
    assert words in standing(verdict, code)


def test_acceptance_18_the_list_of_reasons_is_complete() -> None:
    assert {found.value for found in Standing} == set(REASONS) | LATER | {"counts"}

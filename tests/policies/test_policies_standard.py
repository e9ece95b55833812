"""Standard changes: a change that fits a template of the policy entirely needs no approval; what is not known does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.policies.config import (
    DEPLOY,
    MERGE,
    Needs,
    ResourceClause,
    Rule,
    SizeClause,
    StandardConfig,
    parse_portal_yaml,
    standard_words,
)
from apps.policies.evaluation import (
    EMERGENCY,
    ROLLBACK,
    ChangeRequest,
    EnvironmentFact,
    Facts,
    HoldFact,
    OpenThread,
    RenderingFact,
    ResourceFact,
    evaluate,
    replay,
    to_record,
)
from tests.support.policy_facts import ALICE, KIM, facts, row, rule

SCALE = StandardConfig("scale the shop", ("env/*/shop.yaml",), ("spec.replicas",), line=9)
PATHS = ("env/prod/shop.yaml",)
REPLICAS = ResourceFact("Deployment", "update", "shop", "prod", (), ("spec.replicas",))


def rendered(*resources: ResourceFact, state: str = "rendered") -> RenderingFact:
    return RenderingFact("production", "shop", state, resources=resources)


def change(*resources: ResourceFact, paths: tuple[str, ...] = PATHS, **more: Any) -> Facts:
    given: dict[str, Any] = {
        "renderings": (rendered(*resources),), "standards": (SCALE,), "authors": (), "files": 1, "lines": 2,
        "environments": (EnvironmentFact("staging", affected=False), EnvironmentFact("production", protected=True)),
    }  # fmt: skip
    return facts(paths=paths, **{**given, **more})


def is_standard(found: Facts, *rules: Rule) -> bool:
    verdict = evaluate(rules or (rule(),), found)
    return verdict.allowed and row(verdict, "standard").state == "met"


def test_what_fits_needs_no_approval_and_says_why() -> None:
    verdict = evaluate((rule(name="two eyes"),), change(REPLICAS))
    assert verdict.allowed
    assert "standard change “scale the shop”, which was approved with the policy" in row(verdict, "standard").text
    assert row(verdict, "rule").state == "not_needed"
    assert "Approved beforehand" in row(verdict, "rule").text
    assert verdict == replay(to_record((rule(name="two eyes"),), change(REPLICAS)))


def test_without_rules_it_needs_nobody_either() -> None:
    assert evaluate((), change(REPLICAS)).allowed
    assert not evaluate((), replace(change(REPLICAS), standards=())).allowed


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (
            replace(REPLICAS, fields=("spec.replicas", "spec.template.spec.containers[shop].image")),
            "containers[shop].image",
        ),
        (replace(REPLICAS, fields=None), "not known"),
        (replace(REPLICAS, action="delete"), "deleted"),
        (replace(REPLICAS, action="replace"), "replaced"),
        (replace(REPLICAS, action="create"), "created"),
        (replace(REPLICAS, risks=("privilege",)), "the risk privilege"),
        (replace(REPLICAS, fields=("spec.replicasX",)), "spec.replicasX"),
        (replace(REPLICAS, fields=("xspec.replicas",)), "xspec.replicas"),
    ],
)
def test_another_effect_does_not_fit_and_the_reason_is_told(resource: ResourceFact, why: str) -> None:
    verdict = evaluate((rule(),), change(REPLICAS, resource))
    assert not verdict.allowed
    assert why in row(verdict, "standard").text
    assert row(verdict, "standard").state == "not_needed"
    assert row(verdict, "rule").state == "waiting"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"authors": ("unknown",)}, "no account"),
        ({"authors": ("service",)}, "service account"),
        ({"authors": ("guest",)}, "no role as author"),
        ({"authors": None}, "not known"),
        ({"uncounted": 1}, "lines do not tell what changes"),
        ({"renderings": None}, "no environment names targets"),
        ({"renderings": (rendered(REPLICAS), rendered(state="waiting"))}, "not known"),
        ({"renderings": (rendered(state="failed"),)}, "not known"),
        ({"renderings": ()}, "no target reads what it changes"),
        (
            {"environments": (EnvironmentFact("production"), EnvironmentFact("dark"))},
            "nothing says what it does in dark",
        ),
    ],
)
def test_what_is_not_known_does_not_fit(more: dict[str, Any], why: str) -> None:
    verdict = evaluate((rule(),), change(REPLICAS, **more))
    assert not verdict.allowed
    assert why in row(verdict, "standard").text


@pytest.mark.parametrize(
    "paths",
    [(), ("env/prod/shop.yaml", "env/prod/other.yaml"), ("env/prod/deep/shop.yaml",), ("docs/env/prod/shop.yaml",)],
)
def test_one_other_path_and_the_template_is_not_even_named(paths: tuple[str, ...]) -> None:
    verdict = evaluate((rule(),), change(REPLICAS, paths=paths))
    assert not verdict.allowed
    assert "standard" not in {found.code for found in verdict.requirements}


def test_the_policy_itself_is_never_a_standard_change() -> None:
    template = replace(SCALE, paths=(".gitops/*", "env/**", "CODEOWNERS"), fields=())
    for path in (".gitops/portal.yaml", "CODEOWNERS"):
        assert not is_standard(change(paths=(path,), standards=(template,)))


def test_size_is_the_most_that_may_change() -> None:
    template = replace(SCALE, size=SizeClause(files=1, lines=2))
    assert is_standard(change(REPLICAS, standards=(template,)))
    assert not is_standard(change(REPLICAS, standards=(template,), lines=3))
    assert not is_standard(change(REPLICAS, standards=(template,), files=2))
    assert not is_standard(change(REPLICAS, standards=(template,), lines=None))


def test_only_those_whom_the_template_names_may_write_it() -> None:
    found = change(REPLICAS, standards=(replace(SCALE, by=("team/sre",)),))
    assert not is_standard(found)
    assert is_standard(replace(found, principals={**found.principals, "team/sre": (ALICE,)}))
    assert not is_standard(replace(found, principals={**found.principals, "team/sre": (KIM,)}))


def test_resources_beyond_those_that_are_named_do_not_fit() -> None:
    template = replace(SCALE, fields=(), resources=ResourceClause(kinds=("Deployment",), actions=("update", "create")))
    assert is_standard(change(replace(REPLICAS, fields=("spec.anything",)), standards=(template,)))
    assert not is_standard(change(replace(REPLICAS, kind="Secret"), standards=(template,)))
    risky = replace(REPLICAS, risks=("floating-tag",))
    assert not is_standard(change(risky, standards=(template,)))
    allowed = replace(template, resources=ResourceClause(kinds=("Deployment",), risks=("floating-*",)))
    assert is_standard(change(risky, standards=(allowed,)))


def test_only_the_stages_that_it_covers_are_opened() -> None:
    deploy = {"stage": DEPLOY, "status": "merged", "environment": "production"}
    gate = rule(stage=DEPLOY)
    assert not is_standard(change(REPLICAS, **deploy), gate)
    assert is_standard(change(REPLICAS, **deploy, standards=(replace(SCALE, covers=(MERGE, DEPLOY)),)), gate)


def test_checks_objections_and_freezes_hold_it_all_the_same() -> None:
    asks = Rule("tests", needs=Needs(1, checks=("unit",)), line=3)
    verdict = evaluate((asks,), change(REPLICAS, checks={}))
    assert not verdict.allowed
    assert row(verdict, "check").state == "waiting"
    passed = change(REPLICAS, checks={"unit": "success"})
    assert is_standard(passed, asks)
    for more in (
        {"change_requests": (ChangeRequest(KIM, 3),)},
        {"open_threads": (OpenThread(KIM),)},
        {"holds": (HoldFact("freeze", ("fair",), principals=("team/sre",)),)},
        {"conflicts": PATHS},
        {"is_current": False},
    ):
        assert not evaluate((asks,), replace(passed, **more)).allowed


@pytest.mark.parametrize("kind", [ROLLBACK, EMERGENCY])
def test_other_kinds_of_changes_have_their_own_gates(kind: str) -> None:
    found = change(REPLICAS, kind=kind)
    codes = {one.code for one in evaluate((rule(),), found).requirements if one.state == "met"}
    assert "standard" not in codes or kind == EMERGENCY  # an emergency that is none is judged as it is


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{name: a, paths: ['**']}]", "fits every path"),
        ("[{name: a, paths: ['!x']}]", "Exclusions"),
        ("[{name: a}]", "lacks the key `paths`"),
        ("[{name: a, paths: [x], fields: ['*']}]", "fits every field"),
        ("[{name: a, paths: [x]}, {name: a, paths: [y]}]", "Two standard changes"),
        ("[{name: a, paths: [x], by: [code-owners]}]", ""),
        ("[{name: a, paths: [x], covers: [everything]}]", "no stage"),
        ("[{name: a, paths: [x], needs: {approvals: 0}}]", "needs"),
        ("{name: a}", "list"),
    ],
)
def test_a_template_that_says_too_much_or_nothing_is_an_error_with_its_line(text: str, said: str) -> None:
    parsed = parse_portal_yaml(f"apiVersion: portal/v1\nstandard: {text}\n".encode())
    assert not parsed.is_valid
    assert said in str([problem.message for problem in parsed.problems])
    assert all(problem.line == 2 for problem in parsed.problems)


def test_a_template_is_said_in_words() -> None:
    yaml = b"""apiVersion: portal/v1
standard:
  - name: scale the shop
    paths: [env/*/shop.yaml]
    fields: [spec.replicas]
    size: {lines: 4}
    by: [team/sre]
    covers: [merge, deploy]
    runbook: scale-the-shop.md
"""
    config = parse_portal_yaml(yaml).config
    assert config is not None
    [standard] = config.standards
    assert standard.runbook == "scale-the-shop"
    assert standard_words(standard) == (
        "needs no approval to merge and deploy: only env/*/shop.yaml, only the fields spec.replicas, nothing destroyed, "
        "at most 4 lines, by team/sre"
    )

"""The rendered effect in the verdict: it has to be known, and rules ask for who knows about what changes."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from apps.policies.config import Needs, ResourceClause, Rule, When, parse_portal_yaml
from apps.policies.evaluation import (
    EnvironmentFact,
    Facts,
    RenderingFact,
    ResourceFact,
    evaluate,
    from_record,
    to_record,
)
from tests.support.policy_facts import BOB, CAROL, KIM, approvals, facts, row, rule

HEAD = b"apiVersion: portal/v1\n"
VOLUME = ResourceFact("PersistentVolumeClaim", "delete", "cache", "web", ("destroy",))
WEB = ResourceFact("Deployment", "update", "web", "web")
DATABASE = ResourceFact("aws_db_instance", "replace", "module.data.aws_db_instance.main", "", ("destroy",))


def rendered(*resources: ResourceFact, environment: str = "production", target: str = "web") -> RenderingFact:
    return RenderingFact(environment, target, "rendered", resources=resources)


def reaching(*found: RenderingFact, reviewers: tuple[int, ...] = (BOB,)) -> Facts:
    environments = (EnvironmentFact("staging"), EnvironmentFact("production"))
    return replace(facts(reviews=approvals(*reviewers)), renderings=found, environments=environments)


def asking(when: When) -> list[Rule]:
    return [rule(1, "team/sre"), Rule("a DBA", when=when, needs=Needs(1, ("user/carol",)))]


def verdict_of(clause: ResourceClause, *found: RenderingFact, environments: tuple[str, ...] = ()) -> str:
    verdict = evaluate(asking(When(environments=environments, resources=clause)), reaching(*found))
    return next(one.state for one in verdict.requirements if one.name == "a DBA")


@pytest.mark.parametrize(
    ("clause", "state"),
    [
        (ResourceClause(kinds=("PersistentVolumeClaim",)), "waiting"),
        (ResourceClause(kinds=("aws_db_*",), actions=("delete", "replace")), "waiting"),
        (ResourceClause(actions=("create",)), "not_needed"),
        (ResourceClause(kinds=("Deployment",), actions=("delete",)), "not_needed"),
        (ResourceClause(names=("web/*",)), "waiting"),
        (ResourceClause(names=("cache",)), "waiting"),
        (ResourceClause(names=("cach",)), "not_needed"),
        (ResourceClause(risks=("destroy",)), "waiting"),
        (ResourceClause(kinds=("Deployment",), risks=("destroy",)), "not_needed"),
        (ResourceClause(kinds=("deployment",)), "not_needed"),
    ],
)
def test_all_lists_of_a_clause_are_about_one_and_the_same_resource(clause: ResourceClause, state: str) -> None:
    assert verdict_of(clause, rendered(VOLUME, WEB, DATABASE)) == state


def test_only_resources_of_the_named_environments_count() -> None:
    clause = ResourceClause(kinds=("PersistentVolumeClaim",))
    found = (rendered(VOLUME, environment="staging"), rendered(WEB))
    assert verdict_of(clause, *found) == "waiting"
    assert verdict_of(clause, *found, environments=("production",)) == "not_needed"


def test_an_approval_of_the_named_person_meets_it() -> None:
    rules = asking(When(resources=ResourceClause(kinds=("PersistentVolumeClaim",))))
    assert not evaluate(rules, reaching(rendered(VOLUME))).allowed
    assert evaluate(rules, reaching(rendered(VOLUME), reviewers=(BOB, CAROL))).allowed


@pytest.mark.parametrize("state", ["waiting", "failed"])
def test_what_is_not_known_may_be_what_is_meant(state: str) -> None:
    clause = ResourceClause(kinds=("PersistentVolumeClaim",))
    assert verdict_of(clause, rendered(WEB), RenderingFact("production", "db", state)) == "failed"
    assert verdict_of(clause, rendered(VOLUME), RenderingFact("production", "db", state)) == "waiting", "known already"
    assert verdict_of(clause, rendered(WEB), RenderingFact("production", "db", state, optional=True)) == "failed"


def test_a_rule_about_resources_where_nothing_is_rendered_cannot_be_evaluated() -> None:
    rules = asking(When(resources=ResourceClause(kinds=("Deployment",))))
    verdict = evaluate(rules, replace(reaching(), renderings=None))
    text = next(one.text for one in verdict.requirements if one.name == "a DBA")
    assert "could not be evaluated: no environment names targets" in text
    assert not verdict.allowed


def test_a_change_that_reaches_no_target_needs_no_rule_about_resources() -> None:
    assert verdict_of(ResourceClause(kinds=("Deployment",))) == "not_needed"


def test_the_gate_waits_for_what_is_being_rendered_and_names_it() -> None:
    verdict = evaluate([rule(1, "team/sre")], reaching(rendered(WEB), RenderingFact("staging", "web", "waiting")))
    assert row(verdict, "effect").state == "waiting"
    assert "staging/web is being rendered" in row(verdict, "effect").text
    assert not verdict.allowed


def test_a_failed_rendering_could_not_be_evaluated_and_is_never_no_change() -> None:
    broken = RenderingFact("staging", "web", "failed", "helm is not installed")
    verdict = evaluate([rule(1, "team/sre")], reaching(broken, reviewers=(BOB, KIM, CAROL)))
    found = row(verdict, "effect")
    assert found.state == "failed"
    assert "could not be evaluated" in found.text
    assert found.evidence == ("staging/web: helm is not installed",)
    assert not verdict.allowed
    assert verdict.summary.startswith("Blocked: ")


def test_a_failure_of_an_optional_target_is_said_and_holds_nothing() -> None:
    broken = RenderingFact("staging", "web", "failed", "helm is not installed", optional=True)
    verdict = evaluate([rule(1, "team/sre")], reaching(broken, rendered(WEB)))
    assert verdict.allowed
    assert "staging/web could not be evaluated, which portal.yaml allows" in row(verdict, "effect").text


def test_a_state_that_nobody_knows_fails_closed() -> None:
    verdict = evaluate([rule(1, "team/sre")], reaching(RenderingFact("staging", "web", "perhaps")))
    assert not verdict.allowed


def test_no_target_no_requirement() -> None:
    for found in ((), None):
        verdict = evaluate([rule(1, "team/sre")], replace(reaching(), renderings=found))
        assert verdict.allowed
        assert "effect" not in {one.code for one in verdict.requirements}


def test_facts_with_renderings_are_replayed_from_their_record() -> None:
    rules = asking(When(resources=ResourceClause(kinds=("Deployment",), risks=("rbac",))))
    known = reaching(rendered(VOLUME, WEB), RenderingFact("staging", "x", "failed", "no tool", optional=True))
    assert from_record(to_record(rules, known)) == (tuple(rules), known)


@pytest.mark.parametrize(
    ("clause", "message"),
    [
        ("{}", "is empty"),
        ("{kinds: []}", "empty list"),
        ("{actions: [destroy]}", "is nothing that happens to a resource"),
        ("{kind: [Deployment]}", "The key `kind` is not known"),
        ("[Deployment]", "must be a mapping"),
        ("{names: [1]}", "must be text"),
    ],
)
def test_a_clause_that_cannot_be_read_is_an_error(clause: str, message: str) -> None:
    text = HEAD + f"rules: [{{name: a, when: {{resources: {clause}}}, needs: {{approvals: 1}}}}]".encode()
    parsed = parse_portal_yaml(text)
    assert parsed.config is None
    assert any(message in problem.message for problem in parsed.problems)


def test_the_clause_and_the_options_of_targets_come_from_the_file() -> None:
    text = b"""
environments:
  staging:
    targets:
      web: {kind: helm, chart: c, apiVersions: [monitoring.coreos.com/v1], includeCrds: true, optional: true}
      raw: {kind: manifests, path: m, namespace: web}
      net: {kind: terraform, path: infra, variables: [env/a.tfvars], state: infra/a.tfstate}
rules: [{name: a, when: {resources: {kinds: [A, "b_*"], actions: [delete], names: ["x/*"], risk: [rbac]}}, needs: {approvals: 1}}]
"""
    config = parse_portal_yaml(HEAD + text).config
    assert config is not None
    web, raw, net = config.environments[0].targets
    assert net.inputs == ("infra", "infra/a.tfstate", "env/a.tfvars")
    assert net.options["variables"] == ["env/a.tfvars"]
    assert web.options["apiVersions"] == ["monitoring.coreos.com/v1"]
    assert web.options["includeCrds"] is True
    assert (web.optional, raw.optional) == (True, False)
    assert raw.options["namespace"] == "web"
    assert config.rules[0].when.resources == ResourceClause(("A", "b_*"), ("delete",), ("x/*",), ("rbac",))


def test_checks_that_are_required_and_do_not_pass_hold_the_change_and_are_replayed_from_the_record() -> None:
    fine, bad = (
        rendered(WEB),
        replace(rendered(WEB, target="db"), unmet="Deployment web spec.replicas: must be integer"),
    )
    given = reaching(fine, bad)
    verdict = evaluate([rule(1, "team/sre")], given)
    found = row(verdict, "effect_checks")
    assert (found.state, row(verdict, "effect").state) == ("failed", "met")
    assert "The checks that portal.yaml requires of production/db do not pass" in found.text
    assert found.evidence == ("production/db: Deployment web spec.replicas: must be integer",)
    assert not verdict.allowed
    assert from_record(to_record([rule(1, "team/sre")], given))[1] == given
    assert evaluate([rule(1, "team/sre")], reaching(fine)).allowed


def test_a_resource_that_matches_only_in_another_environment_or_by_two_halves_does_not_ask() -> None:
    clause = ResourceClause(kinds=("Persistent*",), names=("web",))
    assert verdict_of(clause, rendered(VOLUME, WEB)) == "not_needed"
    there = rendered(VOLUME, environment="staging")
    assert verdict_of(ResourceClause(kinds=("Persistent*",)), there, environments=("production",)) == "not_needed"


def test_a_rule_looks_only_at_resources_of_the_kinds_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule at every resource took seconds for 1,000 rules and 5,000 resources."""
    tried: list[str] = []

    def counted(value: str, pattern: str) -> bool:
        tried.append(pattern)
        return fnmatchcase(value, pattern)

    monkeypatch.setattr("apps.policies.evaluation.touched.fnmatchcase", counted)
    many = tuple(ResourceFact("ConfigMap", "update", f"map-{number}") for number in range(1_000))
    assert verdict_of(ResourceClause(kinds=("Role",), names=("web",)), rendered(*many)) == "not_needed"
    assert tried == ["Role"]

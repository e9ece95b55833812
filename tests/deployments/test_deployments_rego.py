"""Modules of Rego in a repository: they deny, they require, they are recorded, and a change of them is a change of the policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.errors import Conflict, NotAllowed
from apps.deployments import services
from apps.policies.evaluation import from_record, replay
from apps.policies.rego import answers, asking
from apps.policies.rego.answers import answer
from apps.presentation.policy_change import policy_change
from apps.reviews.queries import judge, policy_of, verdict_of
from apps.reviews.services import confirm_emergency, declare_emergency
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.people import team
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
MERGE = """\
package portal.merge

deny contains {"msg": sprintf("%s may not be deleted", [p.path])} if {
	some p in input.paths
	p.action == "deleted"
	startswith(p.path, "app/")
}

require contains {"name": "two of the database people", "approvals": 2, "from": ["team/dba"]} if {
	some p in input.paths
	startswith(p.path, "db/")
}

warn contains "nobody but the author contributed" if count(input.contributors) == 1
"""
DEPLOY = """\
package portal.deploy

deny contains "not on this day" if {
	input.environment == "production"
	time.weekday(time.parse_rfc3339_ns(input.now)) in {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
}
"""
REGO = "rego: policies\nemergency: {from: [team/dba], approvals: 1, reviewWithin: 24h}\n"


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    files: dict[str, str | bytes] = {"policies/merge.rego": MERGE, "app/old.yaml": "a: 1\n", "db/schema.sql": "a\n"}
    found = Delivery.start(tmp_path, pipeline("true", "true") + REGO, files)
    team("dba", found.people.kim, found.people.bob)
    return found


def post(user: Any, path: str, body: dict[str, Any]) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(f"/api/v1/changes/{path}", json.dumps(body), content_type="application/json")


def without(delivery: Delivery, name: str, path: str) -> ChangeRequest:
    """A change that deletes a file."""
    work = delivery.work
    work.run("checkout", "-q", "--no-track", "-b", name, "origin/main")
    work.run("rm", "-q", path)
    work.commit("and away", author="Alice <alice@example.org>")
    pushed(delivery.repository, work, f"{name}:refs/heads/{name}")
    return create_change(delivery.people.alice, repository=delivery.repository, title="Without it", source_branch=name)


def test_a_module_denies_over_the_api_and_says_what_and_where(delivery: Delivery) -> None:
    people = delivery.people
    change = without(delivery, "away", "app/old.yaml")
    assert change.revision is not None
    answer = post(people.bob, f"{change.number}/reviews/", {"revision": change.revision.number, "verdict": "approve"})
    assert answer.status_code == 201, answer.content
    refused = post(people.alice, f"{change.number}/merge/", {})
    assert refused.status_code == 409
    assert "Denied: app/old.yaml may not be deleted" in refused.content.decode()
    (row,) = [row for row in verdict_of(change).requirements if row.code == "rego"]
    assert row.rule is not None
    assert row.rule.place == "policies/merge.rego:3"
    assert row.evidence == ("Warning: nobody but the author contributed",)
    assert verdict_of(change).can_unblock == ()


def test_a_module_requires_two_of_a_team_and_with_them_it_merges_and_replays(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = delivery.people
    change = delivery.proposed("schema", {"db/schema.sql": "a\nb\n"})
    assert set(verdict_of(change).can_unblock) == {"bob", "kim"}
    for person in (people.bob, people.kim):
        refused = post(people.alice, f"{change.number}/merge/", {})
        assert refused.status_code == 409
        assert "two of the database people" in refused.content.decode() or "team/dba" in refused.content.decode()
        given = post(person, f"{change.number}/reviews/", {"revision": 1, "verdict": "approve"})
        assert given.status_code == 201
    taken = post(people.alice, f"{change.number}/merge/", {})
    assert taken.status_code in (200, 201, 202), taken.content
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    assert change.merge_commit
    record = change.merge_intents.get().verdict["inputs"]
    facts = from_record(record)[1]
    assert facts.rego is not None
    assert [rule.name for rule in facts.rego.required] == ["two of the database people"]
    modules = policy_of(change).modules
    assert modules is not None
    answers._kept.clear()
    assert answer(modules, facts) == facts.rego, "asked again, they say the same of what was recorded"
    monkeypatch.setattr(asking, "_run", lambda _question: pytest.fail("a replay asks nobody"))
    again = replay(record)
    assert again.allowed
    assert again.to_dict() == replay(json.loads(json.dumps(record))).to_dict()
    stored = change.merge_intents.get().verdict
    assert again.to_dict() == {key: stored[key] for key in again.to_dict()}


def test_a_module_of_the_change_itself_judges_nothing(delivery: Delivery) -> None:
    lax = MERGE.replace("app/", "nowhere/").replace('"approvals": 2', '"approvals": 1')
    change = delivery.approved("lax", {"policies/merge.rego": lax, "db/schema.sql": "a\nc\n"})
    refused = verdict_of(change)
    assert not refused.allowed
    assert any(row.name == "two of the database people" and row.needed == 2 for row in refused.requirements)


def test_before_a_protected_deployment_its_own_package_is_asked(delivery: Delivery) -> None:
    first = delivery.approved("gate", {"policies/deploy.rego": DEPLOY})
    services.merge_change(delivery.people.alice, change=first)
    run_until_idle()
    change = delivery.merged("two", {"app/values.yaml": "replicas: 2\n"})
    run_until_idle()
    assert delivery.deployment(change).status == "succeeded", "staging is not protected"
    held = delivery.deployment(change, "production")
    assert held.status == "pending"
    assert "Denied: not on this day" in str(held.waits)
    record = judge(change, stage="deploy", environment="production").record
    facts = from_record(record)[1]
    assert facts.rego is not None
    assert facts.rego.denied == ("not on this day",)


def test_in_an_emergency_a_denial_is_skipped_and_what_modules_require_is_owed(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed("fire", {"db/schema.sql": "a\nd\n"})
    declare_emergency(people.alice, change=change, reason="the shop is down", incident="INC-7")
    confirm_emergency(people.kim, change=change)
    skipped = [row for row in verdict_of(change).requirements if row.text.startswith("Skipped in the emergency")]
    assert "two of the database people" in {row.name for row in skipped}
    assert judge(change).verdict.allowed
    policy = delivery.proposed("policy", {"policies/merge.rego": MERGE + "# more\n"})
    with pytest.raises(NotAllowed) as never:
        declare_emergency(people.alice, change=policy, reason="in a hurry", incident="INC-8")
    assert never.value.code == "touches_policy"


def test_modules_that_cannot_be_evaluated_hold_the_change_until_they_can(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.approved("one")
    assert verdict_of(change).allowed
    answers._kept.clear()
    monkeypatch.setattr(asking, "WALL_SECONDS", 0.0)
    with pytest.raises(Conflict) as held:
        services.merge_change(delivery.people.alice, change=change)
    assert "could not be evaluated: it did not end within" in held.value.message
    monkeypatch.undo()
    assert verdict_of(change).allowed


def test_the_page_of_the_policy_names_the_modules_and_what_they_are_asked_for(
    delivery: Delivery, client: Client
) -> None:
    client.force_login(delivery.people.bob)
    text = client.get("/repositories/infra/policy/").content.decode()
    assert "1 module in" in text
    assert re.findall(r"<b>(merge: \w+)</b>", text) == ["merge: deny", "merge: require", "merge: warn"]
    assert "policies/merge.rego</bdi>:3" in text


def test_a_change_of_a_module_is_a_change_of_the_policy_with_its_difference(delivery: Delivery, client: Client) -> None:
    delivery.merged("one")
    change = delivery.proposed(
        "rules", {"policies/merge.rego": MERGE.replace("two of the", "both"), "policies/deploy.rego": DEPLOY}
    )
    page = policy_change(change)
    assert page is not None
    assert [(row.path, row.change) for row in page.modules] == [
        ("policies/deploy.rego", "added"),
        ("policies/merge.rego", "changed"),
    ]
    assert page.run is not None
    assert (page.run.passes, page.run.unknown) == (1, ()), "the other modules were asked about it"
    client.force_login(delivery.people.bob)
    text = client.get(f"/changes/{change.number}/policy/").content.decode()
    assert f'href="/changes/{change.number}/diff/?file={page.modules[0].file}#f-{page.modules[0].file}"' in text
    assert "Module" in text
    broken = delivery.proposed("broken", {"policies/merge.rego": "package portal.merge\n\ndeny := 1\n"})
    told = client.get(f"/changes/{broken.number}/policy/").content.decode()
    assert "It would be invalid" in told
    assert "must be a set to which rules add" in told


def test_what_the_same_modules_said_then_counts_when_a_policy_is_tried_on_the_past(delivery: Delivery) -> None:
    delivery.merged("one")
    text = pipeline("true", "true", rules="  - {name: more, needs: {approvals: 1, from: [team/dba]}}\n") + REGO
    page = policy_change(delivery.proposed("policy", {".gitops/portal.yaml": text}))
    assert page is not None
    assert page.run is not None
    assert (page.run.tried, page.run.passes, page.run.unknown) == (1, 1, ())

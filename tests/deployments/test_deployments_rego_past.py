"""A change of modules of Rego, tried on what was merged: they are asked about the facts of then, and not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.deployments.models import MergeIntent
from apps.deployments.queries import DryRun, tried_modules
from apps.deployments.services import merge_change
from apps.policies.rego import answers, asking
from apps.presentation.policy_change import policy_change
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.people import team
from tests.support.repositories import branch_with, pushed

pytestmark = pytest.mark.django_db
PLAIN = 'package portal.merge\n\ndeny contains "never" if input.size.files > 1000\n'
REGO = "rego: policies\n"
DENIES = """\
package portal.merge

deny contains {"msg": sprintf("%s of %s", [p.path, input.change.author])} if {
	some p in input.paths
	p.action == "added"
}
"""
REQUIRES = """\
package portal.merge

require contains {"name": "database people", "approvals": 1, "from": ["team/dba"]} if {
	some p in input.paths
	startswith(p.path, "db/")
}
"""
STRANGERS = """\
package portal.merge

deny contains "somebody without an account" if {
	some c in input.contributors
	c.username == ""
}
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Without modules: nothing that only modules ask for is on record."""
    answers._kept.clear()
    found = Delivery.start(tmp_path, pipeline("true", "true"))
    team("dba", found.people.kim)
    return found


def proposing(delivery: Delivery, text: str, name: str = "modules") -> ChangeRequest:
    """A change that brings this module."""
    policy = pipeline("true", "true") + REGO
    return delivery.proposed(name, {".gitops/portal.yaml": policy, "policies/merge.rego": text})


def run_of(change: ChangeRequest) -> DryRun:
    page = policy_change(change)
    assert page is not None
    assert page.run is not None, page.problems
    return page.run


def test_the_first_modules_are_tried_on_merges_for_which_none_was_asked(delivery: Delivery) -> None:
    added = delivery.merged("one", {"app/new.yaml": "a: 1\n"})
    delivery.merged("two")
    run = run_of(proposing(delivery, DENIES))
    assert (run.tried, run.passes, run.unknown) == (2, 1, ())
    assert [row.number for row in run.blocked] == [added.number]
    assert "Denied: app/new.yaml of alice" in run.blocked[0].reasons[0]


def test_what_other_modules_say_counts_and_not_what_those_of_then_said(tmp_path: Path) -> None:
    policy = pipeline("true", "true") + REGO
    delivery = Delivery.start(tmp_path, policy, {"policies/merge.rego": PLAIN})
    added = delivery.merged("one", {"app/new.yaml": "a: 1\n"})
    run = run_of(proposing(delivery, DENIES))
    assert [row.number for row in run.blocked] == [added.number]
    assert run.unknown == ()


def test_what_modules_would_have_required_is_judged_by_the_approvals_of_then(delivery: Delivery) -> None:
    """bob approved, who is not of the team."""
    table = delivery.merged("one", {"db/schema.sql": "a\n"})
    delivery.merged("two")
    run = run_of(proposing(delivery, REQUIRES))
    assert (run.passes, run.unknown) == (1, ())
    assert [row.number for row in run.blocked] == [table.number]
    assert "1 approval from team/dba" in run.blocked[0].reasons[0]
    team("more", delivery.people.bob)
    assert run_of(proposing(delivery, REQUIRES.replace("team/dba", "team/more"), "others")).passes == 2


def test_contributors_without_an_account_are_told(delivery: Delivery) -> None:
    delivery.merged("one")
    alice = delivery.people.alice
    branch_with(delivery.work, "two", {"b.yaml": "b: 1\n"}, at="origin/main", author="Who <who@elsewhere.example>")
    pushed(delivery.repository, delivery.work, "two:refs/heads/two")
    strange = create_change(alice, repository=delivery.repository, title="Two", source_branch="two")
    delivery.approve(strange)
    merge_change(alice, change=strange)
    run_jobs("deployments.carry_out_merges")
    run = run_of(proposing(delivery, STRANGERS))
    assert (run.passes, run.unknown) == (1, ())
    assert [row.number for row in run.blocked] == [strange.number]


def test_a_module_that_fails_would_have_blocked_and_cannot_be_told_is_only_what_cannot(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.merged("one")
    fails = 'package portal.merge\n\ndeny contains {"odd": input.size.files}\n'
    run = run_of(proposing(delivery, fails))
    assert (len(run.blocked), run.unknown) == (1, ())
    assert "neither a text" in run.blocked[0].reasons[0]
    unknown = 'package portal.merge\n\ndeny contains "x" if input.resources[_].kind == "Secret"\n'
    told = run_of(proposing(delivery, unknown, "resources"))
    assert (told.passes, told.blocked, len(told.unknown)) == (0, (), 1)
    assert "names targets" in told.unknown[0].reasons[0]
    answers._kept.clear()
    change = proposing(delivery, DENIES, "busy")
    assert run_of(change).passes == 1  # inspected and kept, so that only the asking fails now
    answers._kept.clear()
    monkeypatch.setattr(asking, "QUEUE_SECONDS", 0)
    monkeypatch.setattr(asking._slots, "acquire", lambda timeout: False)
    busy = run_of(change)
    assert (busy.blocked, len(busy.unknown)) == ((), 1)


def test_many_merges_are_asked_about_in_few_processes_and_no_longer_than_there_is_time(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.merged("one", {"app/new.yaml": "a: 1\n"})
    change = proposing(delivery, DENIES + 'warn contains "late" if input.now == "x"\n')
    intent = MergeIntent.objects.get()
    for number in range(60):
        intent.pk, intent.key = None, f"copy {number}"
        intent.verdict["inputs"]["facts"]["moment"] += number
        intent.save()
    processes: list[int] = []
    real = asking._run
    monkeypatch.setattr(asking, "_run", lambda question: processes.append(1) or real(question))
    with CaptureQueriesContext(connection) as many:
        run = run_of(change)
    assert (run.tried, len(run.blocked)) == (61, 61)
    assert len(processes) <= 1 + 3, "the inspection, and one for 25 merges"
    answers._kept.clear()
    MergeIntent.objects.exclude(pk=intent.pk).delete()
    with CaptureQueriesContext(connection) as few:
        run_of(change)
    assert len(many) == len(few)
    answers._kept.clear()
    monkeypatch.setattr(tried_modules, "SECONDS", 0.0)
    late = run_of(change)
    assert (late.blocked, len(late.unknown)) == ((), 1)
    assert "all the time" in late.unknown[0].reasons[0]


def test_one_merge_on_which_a_module_never_ends_leaves_the_others_their_answers(delivery: Delivery) -> None:
    slow = delivery.merged("slow", {"app/slow.yaml": "a: 1\n"})
    other = delivery.merged("other", {"app/other.yaml": "a: 1\n"})
    text = """\
package portal.merge

deny contains "slow" if {
	some p in input.paths
	p.path == "app/slow.yaml"
	count([1 | some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a * b == 7]) > 100
}

deny contains "other" if input.paths[_].path == "app/other.yaml"
"""
    run = run_of(proposing(delivery, text))
    reasons = {row.number: row.reasons[0] for row in run.blocked}
    assert "Denied: other" in reasons[other.number]
    assert "processor time" in reasons[slow.number]

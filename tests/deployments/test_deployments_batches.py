"""A deployment that brought several changes: going back takes all of them out, not the newest alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import NotAllowed
from apps.deployments import queries, services
from apps.deployments.models import Deployment
from apps.deployments.queries.batches import batch_of
from apps.vcs import objects
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
BY_HAND = "{deploy: {via: local, start: manual, steps: [{name: apply, run: 'test ! -e app/bad.txt', timeout: 60s}]}}"


def yaml(*names: str) -> str:
    """Environments whose step fails where ``app/bad.txt`` is."""
    places = "".join(f"  {name}: {BY_HAND}\n" for name in names)
    rule = "rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]\n"
    return f"apiVersion: portal/v1\nenvironments:\n{places}{rule}"


def started(delivery: Delivery, change: ChangeRequest, *names: str) -> list[Deployment]:
    """Its deployments after carol pressed Start in each and the engine came to rest."""
    rows = [delivery.deployment(change, name) for name in names]
    for row in rows:
        services.release(delivery.people.carol, deployment=row)
    run_until_idle()
    return [Deployment.objects.get(pk=row.pk) for row in rows]


def failed_batch(tmp_path: Path, *names: str) -> tuple[Delivery, list[Deployment], list[Deployment], ChangeRequest]:
    """What is live of ``good``, and the failed start of ``top``, which brought ``bad``, too."""
    delivery = Delivery.start(tmp_path, yaml(*names))
    good = started(delivery, delivery.merged("good", {"app/good.txt": "1\n"}), *names)
    bad = delivery.merged("bad", {"app/bad.txt": "1\n"})
    rows = started(delivery, delivery.merged("top", {"app/top.txt": "1\n"}), *names)
    assert [row.status for row in (*good, *rows)] == ["succeeded"] * len(names) + ["failed"] * len(names)
    return delivery, good, rows, bad


def by_rule(*rows: Deployment) -> None:
    """As if their checks had failed where portal.yaml says to roll that back."""
    Deployment.objects.filter(pk__in=[row.pk for row in rows]).update(rollback_due=True)
    run_jobs("deployments.roll_back_unhealthy")


def test_by_rule_all_that_was_brought_goes_back_to_what_was_live(tmp_path: Path) -> None:
    delivery, [good], [row], bad = failed_batch(tmp_path, "production")
    by_rule(row)
    back = ChangeRequest.objects.get(kind="rollback")
    assert (back.rolls_back, back.rollback_environments) == (None, ["production"])
    entry = AuditEntry.objects.get(action="rollback.requested")
    assert (entry.actor["name"], entry.data["on_behalf_of"], entry.data["to"]) == ("portal", "alice", good.label)
    assert entry.data["takes_back"] == [row.change.number, bad.number]
    assert f"by a rule of portal.yaml, for {row.label} is not healthy" in entry.summary
    assert any(f"{back.label} does it, and merges by itself." in event.text for event in queries.events(row))
    run_until_idle()
    live = Deployment.objects.get(change=back)
    assert (live.status, live.kind) == ("succeeded", "rollback")
    git_dir = delivery.repository.mirror_path
    assert objects.commit_tree_oid(git_dir, live.commit) == objects.commit_tree_oid(git_dir, good.commit)


def test_what_brought_its_own_change_alone_is_rolled_back_by_that(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, yaml("production"))
    started(delivery, delivery.merged("good", {"app/good.txt": "1\n"}), "production")
    [row] = started(delivery, delivery.merged("bad", {"app/bad.txt": "1\n"}), "production")
    assert batch_of(row) is None
    by_rule(row)
    assert ChangeRequest.objects.get(kind="rollback").rolls_back == row.change


def test_a_rule_needs_no_more_of_a_person_than_a_roll_back_and_gives_them_nothing(tmp_path: Path) -> None:
    delivery, [good], [row], _ = failed_batch(tmp_path, "production")
    with pytest.raises(NotAllowed):
        services.bring_back(delivery.people.alice, deployment=good)
    by_rule(row)
    assert ChangeRequest.objects.get(kind="rollback").requester == delivery.people.alice


def test_two_environments_that_fail_together_get_one_change_and_people_hear_of_the_other(tmp_path: Path) -> None:
    """The second change would have nothing left to do once the first has merged, and wait for ever."""
    _, _, rows, _ = failed_batch(tmp_path, "prod-eu", "prod-us")
    by_rule(*rows)
    back = ChangeRequest.objects.get(kind="rollback")
    assert back.rollback_environments == ["prod-eu"]
    refused = AuditEntry.objects.get(action="rollback.refused")
    assert refused.environment == "prod-us"
    assert f"{back.label} makes exactly this of main already, for prod-eu" in refused.summary


def test_the_page_of_a_roll_back_says_what_would_stay_and_offers_to_bring_all_of_it_back(
    tmp_path: Path, client: Client
) -> None:
    delivery, [good], [row], bad = failed_batch(tmp_path, "production")
    client.force_login(delivery.people.carol)
    shown = client.get(f"/deployments/{row.number}/rollback/").content.decode()
    assert f"production does not become what it was before {row.label}" in shown
    assert f'<a href="/changes/{bad.number}/">{bad.label}</a>, which would stay in what is deployed' in shown
    assert "that also tried to bring" in shown, "it failed, so it brought nothing"
    address = f"/deployments/{good.number}/bring-back/"
    assert f'<a href="{address}">bring {good.label} back' in shown
    told = client.get(f"/api/v1/deployments/{row.number}/rollback/").json()
    assert (told["also_brought"], told["was_live"]) == ([bad.number], good.number)
    history = client.get(f"/environments/{delivery.repository.name}/production/").content.decode()
    assert address in history, "what is live is offered where something that failed ran over it"
    assert f"Bring {good.label} back</button>" in client.get(address).content.decode()
    services.bring_back(delivery.people.carol, deployment=good)
    run_until_idle()
    assert address in client.get(f"/environments/{delivery.repository.name}/production/").content.decode()
    assert batch_of(Deployment.objects.get(pk=row.pk)) is None, "something else ran there since"


def test_the_same_is_said_of_a_batch_that_is_live(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, yaml("production"))
    [first] = started(delivery, delivery.merged("good", {"app/good.txt": "1\n"}), "production")
    between = delivery.merged("between", {"app/between.txt": "1\n"})
    [row] = started(delivery, delivery.merged("top", {"app/top.txt": "1\n"}), "production")
    found = batch_of(row)
    assert found is not None
    assert (found.earlier, found.others) == (first, (between,))
    client.force_login(delivery.people.carol)
    shown = client.get(f"/deployments/{row.number}/rollback/").content.decode()
    assert between.label in shown
    assert "that also brought" in shown
    assert batch_of(first) is None

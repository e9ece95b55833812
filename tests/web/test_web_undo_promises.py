"""What the pages before *Roll back* and *Bring back* promise is what their buttons then make."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest, OutsideChange
from apps.deployments import services
from apps.deployments.models import Deployment, Environment
from apps.reviews.queries import verdict_of
from apps.vcs import objects, refs
from tests.deployments.test_deployments_outside_changes import look
from tests.deployments.test_deployments_returning import WEB, begun, finished, landed
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db


def adopted(delivery: Delivery) -> ChangeRequest:
    """What was pushed to main past the portal just now, adopted by a change that bob approved, and deployed."""
    look(delivery)
    outside = OutsideChange.objects.filter(outcome="").latest("pk")
    change = services.adopt_outside_change(delivery.people.alice, outside=outside)
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    return change


def on_main(delivery: Delivery) -> None:
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")


def one_step(tmp_path: Path) -> Delivery:
    """One environment of which nobody types the name."""
    return Delivery.start(tmp_path, pipeline("true", "true").replace("    protected: true\n", ""))


def three_commits(delivery: Delivery) -> None:
    on_main(delivery)
    for name in ("a", "b", "c"):
        delivery.work.commit(f"Add {name}", files={f"app/{name}.txt": f"{name}\n"})
    delivery.work.push("main")


def a_rewind(delivery: Delivery) -> None:
    """The merge of ``good`` is gone from main; what it brought would come back by undoing that."""
    on_main(delivery)
    before = delivery.work.rev_parse("origin/main^")
    delivery.work.push(f"{before}:refs/heads/main", force=True)


def a_root(delivery: Delivery) -> None:
    on_main(delivery)
    delivery.work.run("checkout", "-q", "--orphan", "fresh")
    delivery.work.commit("Start again", files={"app/fresh.txt": "fresh\n"})
    delivery.work.push("fresh:refs/heads/main", force=True)


@pytest.mark.parametrize(
    ("push", "files"),
    [
        (three_commits, {"app/a.txt": "removed", "app/b.txt": "removed", "app/c.txt": "removed"}),
        (a_rewind, {"app/good.txt": "added"}),
        (a_root, {"app/fresh.txt": "removed"}),
    ],
    ids=lambda found: getattr(found, "__name__", ""),
)
def test_the_page_of_an_adopted_push_shows_what_the_button_makes(
    tmp_path: Path, client: Client, push: object, files: dict[str, str]
) -> None:
    delivery = one_step(tmp_path)
    good = delivery.merged("good", {"app/good.txt": "good\n"})
    run_until_idle()
    push(delivery)  # type: ignore[operator]
    change = adopted(delivery)
    client.force_login(delivery.people.carol)
    address = f"/deployments/{delivery.deployment(change).number}/rollback/"
    shown = client.get(address).content.decode()
    assert dict(re.findall(r'<span class="mono">([^<]*)</span> <span class="muted">(\w+)</span>', shown)) == files
    assert f'Exactly the state of commit <span class="mono">{good.merge_commit[:10]}</span>' in shown
    told = client.get(f"/api/v1{address}").json()
    assert (told["before"], told["later"], told["files"]) == (good.merge_commit, 0, len(files))
    assert client.post(address, {"tip": told["tip"], "environments": " ".join(told["environments"])}).status_code == 303
    inverse = ChangeRequest.objects.get(rolls_back=change)
    assert inverse.revision is not None
    assert sorted(inverse.revision.paths) == sorted(files)
    git_dir = delivery.repository.mirror_path
    assert inverse.revision.result_tree == objects.commit_tree_oid(git_dir, good.merge_commit)


def test_a_roll_back_of_what_moved_since_the_page_was_read_is_shown_anew(tmp_path: Path, client: Client) -> None:
    delivery = one_step(tmp_path)
    change = delivery.merged("one", {"app/one.txt": "1\n"})
    run_until_idle()
    row = delivery.deployment(change)
    client.force_login(delivery.people.carol)
    address = f"/deployments/{row.number}/rollback/"
    told = client.get(f"/api/v1{address}").json()
    form = {"tip": told["tip"], "environments": " ".join(told["environments"])}
    assert f'value="{form["tip"]}"' in client.get(address).content.decode()
    delivery.merged("two", {"app/two.txt": "2\n"})
    run_until_idle()
    refused = client.post(address, form)
    shown = refused.content.decode()
    assert refused.status_code == 409
    assert "main moved since you looked" in shown
    assert "Everything that was merged after it stays" in shown
    tip = refs.branch_tip(delivery.repository.mirror_path, "main")
    assert f'value="{tip}"' in shown
    answer = client.post(f"/api/v1{address}", told, content_type="application/json")
    assert answer.status_code == 422, "only what is known is taken"
    answer = client.post(f"/api/v1{address}", {"tip": told["tip"]}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "target_moved")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()
    assert client.post(address, {**form, "tip": str(tip)}).status_code == 303


def test_a_roll_back_that_reaches_more_than_was_shown_is_shown_anew(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    run_until_idle()
    staging = delivery.deployment(change)
    client.force_login(delivery.people.carol)
    address = f"/deployments/{staging.number}/rollback/"
    Deployment.objects.filter(change=change, environment__name="production").update(status="pending", attempts=0)
    Environment.objects.filter(name="production").update(live_commit="")
    assert 'value="staging"' in client.get(address).content.decode()
    Deployment.objects.filter(change=change, environment__name="production").update(status="running", attempts=1)
    refused = client.post(address, {"environments": "staging", "confirm": "production"})
    assert refused.status_code == 409
    assert "it would be rolled back in staging, production now" in refused.content.decode()
    answer = client.post(f"/api/v1{address}", {"environments": ["staging"]}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "target_moved")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_a_roll_back_that_is_open_is_named_where_another_would_be_asked_for(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change)
    inverse = services.roll_back(delivery.people.carol, deployment=row)
    client.force_login(delivery.people.carol)
    address = f"/deployments/{row.number}/rollback/"
    shown = client.get(address).content.decode()
    assert f"{inverse.label} rolls {change.label} back already" in shown
    assert '<form class="panel"' not in shown
    told = client.get(f"/api/v1{address}").json()
    assert (told["possible"], told["why_not"].split()[0]) == (False, inverse.label)


def test_bringing_back_promises_the_gate_of_everything_that_the_files_reach(tmp_path: Path, client: Client) -> None:
    """No target names the files, so they reach production as well, which is protected, and staging is not."""
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"base/web.yaml": WEB % 2})
    landed(delivery, "two", {"base/web.yaml": WEB % 3})
    row = delivery.deployment(first)
    client.force_login(delivery.people.carol)
    address = f"/deployments/{row.number}/bring-back/"
    shown = client.get(address).content.decode()
    assert "<b>1 approval</b> of somebody else is needed" in shown
    assert "It needs no approval" not in shown
    assert client.get(f"/api/v1{address}").json()["gate"]["approvals"] == 1
    back = finished(services.bring_back(delivery.people.carol, deployment=row))
    assert back.status == "in_review"
    assert [one.state for one in verdict_of(back).requirements if one.code == "rollback"] == ["waiting"]


def test_bringing_back_what_moved_since_the_page_was_read_is_shown_anew(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    first, second = (landed(delivery, f"r{count}", {"staging/web.yaml": WEB % count}) for count in (2, 3))
    client.force_login(delivery.people.carol)
    refused = client.post(f"/deployments/{delivery.deployment(first).number}/bring-back/", {"tip": first.merge_commit})
    shown = refused.content.decode()
    assert refused.status_code == 409
    assert "main moved since you looked" in shown
    assert f'value="{second.merge_commit}"' in shown


def test_bringing_back_names_what_was_pushed_past_the_portal_and_goes_with_it(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    for files in ({"staging/web.yaml": WEB % 5}, {"production/web.yaml": WEB % 5}):
        on_main(delivery)
        delivery.work.commit("Straight to main", files=dict(files), author="Kim <kim@example.org>")
        delivery.work.push("main")
        look(delivery)
    second = landed(delivery, "two", {"staging/other.yaml": WEB.replace("web", "other") % 1})
    past = OutsideChange.objects.earliest("pk")
    client.force_login(delivery.people.carol)
    row = delivery.deployment(first)
    shown = client.get(f"/deployments/{row.number}/bring-back/").content.decode()
    assert re.findall(r"outside/#outside-(\d+)", shown) == [str(past.pk)], "what it brought to production stays"
    assert second.label in shown
    assert "Not known for staging/raw: what was changed there was never rendered." in shown
    told = client.get(f"/api/v1/deployments/{row.number}/bring-back/").json()
    assert ([one["id"] for one in told["outside"]], told["unknown"]) == ([past.pk], ["staging/raw"])
    back = services.bring_back(delivery.people.carol, deployment=row)
    assert (
        f"Takes back: {second.label}; pushed past the portal: {past.old_oid[:10]}..{past.new_oid[:10]}."
        in back.description
    )

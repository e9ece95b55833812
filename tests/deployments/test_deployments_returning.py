"""Any earlier good state of an environment comes back by one change, and exactly that state."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, NotAllowed
from apps.deployments import services as deployments
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.returning import return_to
from apps.reviews.queries import verdict_of
from apps.vcs import objects, refs
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {targets: {raw: {kind: manifests, path: staging}}}
  production: {after: [staging], protected: true, targets: {raw: {kind: manifests, path: production}}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: %d}\n"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: cache}\nspec: {accessModes: [ReadWriteOnce]}\n"


def begun(tmp_path: Path, yaml: str = YAML) -> Delivery:
    files = {"staging/web.yaml": WEB % 1, "production/web.yaml": WEB % 1, "README.md": "one\n"}
    return Delivery.start(tmp_path, yaml, files)


def landed(delivery: Delivery, name: str, files: dict[str, str | bytes]) -> ChangeRequest:
    change = delivery.proposed(name, files)
    for _ in range(2):
        run_jobs("changes.plan_renderings", "changes.render")
    delivery.approve(change)
    deployments.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    return change


def content(delivery: Delivery, path: str) -> str:
    git_dir = delivery.repository.mirror_path
    tip = refs.branch_tip(git_dir, "main")
    assert tip is not None
    return (objects.read_file(git_dir, tip, path) or b"(not there)").decode()


def finished(change: ChangeRequest) -> ChangeRequest:
    run_until_idle()
    change.refresh_from_db()
    return change


def three(delivery: Delivery) -> list[ChangeRequest]:
    return [landed(delivery, f"r{count}", {"staging/web.yaml": WEB % count}) for count in (2, 3, 4)]


def test_an_earlier_state_comes_back_by_one_change_and_all_between_is_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first, second, third = three(delivery)
    row = delivery.deployment(first)
    found = return_to(row)
    assert [change.pk for change in found.changes] == [third.pk, second.pk]
    assert found.paths == ("staging/web.yaml",)
    before = refs.branch_tip(delivery.repository.mirror_path, "main")
    back = deployments.bring_back(delivery.people.carol, deployment=row, tip=found.tip)
    assert back.kind == "rollback"
    assert back.rollback_environments == ["staging"]
    back = finished(back)
    assert back.status == "done"
    assert content(delivery, "staging/web.yaml") == WEB % 2
    assert objects.commit_tree_oid(delivery.repository.mirror_path, row.commit) == found.tree
    assert before is not None
    assert delivery.work.run("ls-remote", "origin", "main").split()[0] == back.merge_commit
    live = Environment.objects.get(name="staging").live_deployment
    assert live is not None
    assert (live.change_id, live.kind, live.commit) == (back.pk, "rollback", back.merge_commit)
    said = AuditEntry.objects.filter(action="rollback.requested").latest("pk").data
    assert (said["to"], said["takes_back"]) == (row.label, [third.number, second.number])


def test_it_is_a_commit_on_top_and_never_another_history(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first, _, third = three(delivery)
    back = finished(deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first)))
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("merge-base", "--is-ancestor", third.merge_commit, back.merge_commit)


def test_only_what_the_environment_is_made_of_changes(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    both = {"staging/web.yaml": WEB % 3, "production/web.yaml": WEB % 3, "README.md": "two\n"}
    landed(delivery, "two", dict(both))
    found = return_to(delivery.deployment(first))
    assert found.paths == ("staging/web.yaml",)
    assert found.shared == ()
    back = deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first))
    for _ in range(2):
        run_jobs("changes.plan_renderings", "changes.render")
    assert not verdict_of(back).allowed  # the two together were never live: the ordinary rules hold
    delivery.approve(back)
    back = finished(back)
    assert content(delivery, "staging/web.yaml") == WEB % 2
    assert content(delivery, "production/web.yaml") == WEB % 3
    assert content(delivery, "README.md") == "two\n"
    assert not Deployment.objects.filter(change=back, environment__name="production").exists()


def test_the_policy_stays_as_it_is(tmp_path: Path) -> None:
    bare = YAML.replace("targets: {raw: {kind: manifests, path: staging}}", "")  # everything reaches it then
    delivery = begun(tmp_path, bare)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    stricter = bare.replace("approvals: 1", "approvals: 2")
    landed(delivery, "two", {".gitops/portal.yaml": stricter, "staging/web.yaml": WEB % 3})
    found = return_to(delivery.deployment(first))
    assert found.paths == ("staging/web.yaml",)
    deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first))
    assert content(delivery, ".gitops/portal.yaml") == stricter


def test_files_that_came_since_go_with_their_folder_and_what_they_held_is_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/old.yaml": CLAIM.replace("cache", "old")})
    landed(delivery, "two", {"staging/cache.yaml": CLAIM, "staging/new/a.txt": "a\n"})
    row = delivery.deployment(first)
    found = return_to(row)
    assert found.paths == ("staging/cache.yaml", "staging/new/a.txt")
    [part] = found.read_back.parts
    assert part.resource == "PersistentVolumeClaim cache"
    finished(deployments.bring_back(delivery.people.carol, deployment=row))
    assert content(delivery, "staging/new/a.txt") == content(delivery, "staging/cache.yaml") == "(not there)"


def test_what_was_never_good_or_is_live_is_not_brought_back(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first, _, third = three(delivery)
    carol = delivery.people.carol
    with pytest.raises(Conflict, match="runs now"):
        deployments.bring_back(carol, deployment=delivery.deployment(third))
    row = delivery.deployment(first)
    for status in ("failed", "cancelled", "unknown", "pending"):
        Deployment.objects.filter(pk=row.pk).update(status=status)
        with pytest.raises(Conflict, match="only what succeeded in staging"):
            deployments.bring_back(carol, deployment=row)
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_the_same_content_again_is_nothing_to_bring_back(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first = three(delivery)[0]
    finished(deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first)))
    with pytest.raises(Conflict, match=r"is on main as .* had it"):
        deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first))


def test_a_branch_that_moved_since_the_page_was_read_is_looked_at_again(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    first, second, _ = three(delivery)
    with pytest.raises(Conflict, match="moved since you looked"):
        deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first), tip=second.merge_commit)


def test_only_deployers_and_only_once_at_a_time(tmp_path: Path) -> None:
    delivery = begun(tmp_path, YAML.replace("staging: {targets", "staging: {protected: true, targets"))
    first, second, _ = three(delivery)
    for name in ("alice", "bob", "dave"):
        with pytest.raises(NotAllowed):
            deployments.bring_back(getattr(delivery.people, name), deployment=delivery.deployment(first))
    deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first))
    with pytest.raises(Conflict, match="already"):
        deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(second))


def test_going_back_asks_for_somebody_else_in_a_protected_environment(tmp_path: Path) -> None:
    delivery = begun(tmp_path, YAML.replace("staging: {targets", "staging: {protected: true, targets"))
    first = three(delivery)[0]
    back = finished(deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first)))
    assert back.status == "in_review"
    [row] = [row for row in verdict_of(back).requirements if row.code == "rollback"]
    assert row.state == "waiting"
    delivery.approve(back)
    assert finished(back).status == "done"


def test_the_page_says_all_of_it_before_the_button(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    first, second, third = three(delivery)
    row = delivery.deployment(first)
    client.force_login(delivery.people.carol)
    name = delivery.repository.name
    address = f"/deployments/{row.number}/bring-back/"
    assert address in client.get(f"/environments/{name}/staging/").content.decode()
    shown = client.get(address).content.decode()
    for words in (second.label, third.label, row.commit[:10], "What does not come back", "staging/web.yaml", "replicas: 2",
                  "It needs no approval and is merged by itself", f"Bring {row.label} back</button>"):  # fmt: skip
        assert words in shown, words
    assert client.get(f"/api/v1/deployments/{row.number}/bring-back/").json()["takes_back"][0]["change"] == third.number
    tip = return_to(row).tip
    answer = client.post(address, {"tip": tip})
    assert answer.status_code == 303
    live = delivery.deployment(third)
    gone = client.get(f"/deployments/{live.number}/bring-back/").content.decode()
    assert "runs now" in gone
    assert "back</button>" not in gone


def test_a_state_from_before_portal_yaml_named_other_paths_is_not_brought_back(tmp_path: Path) -> None:
    """The files of then under the targets of now would empty the environment, and call that what it was."""
    delivery = begun(tmp_path)
    first = landed(delivery, "one", {"staging/web.yaml": WEB % 2})
    moved = YAML.replace("path: staging}", "path: apps/staging}")
    landed(delivery, "moved", {".gitops/portal.yaml": moved, "apps/staging/web.yaml": WEB % 3})
    second = landed(delivery, "four", {"apps/staging/web.yaml": WEB % 4})
    landed(delivery, "five", {"apps/staging/web.yaml": WEB % 5})
    with pytest.raises(Conflict, match=r"portal.yaml says otherwise now"):
        deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(first))
    assert not ChangeRequest.objects.filter(kind="rollback").exists()
    back = deployments.bring_back(delivery.people.carol, deployment=delivery.deployment(second))
    for _ in range(2):
        run_jobs("changes.plan_renderings", "changes.render")
    delivery.approve(back)
    assert finished(back).status == "done"
    assert content(delivery, "apps/staging/web.yaml") == WEB % 4


def test_while_one_is_open_the_page_leads_to_it_and_asks_for_no_other(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    row = delivery.deployment(three(delivery)[0])
    client.force_login(delivery.people.carol)
    url = f"/deployments/{row.number}/bring-back/"
    assert "What is taken back" in client.get(url).content.decode()
    back = deployments.bring_back(delivery.people.carol, deployment=row)
    assert ChangeRequest.objects.get(pk=back.pk).status == "in_review"
    page = client.get(url).content.decode()
    assert f"/changes/{back.number}/" in page and "What is taken back" not in page
    with pytest.raises(Conflict) as refusal:
        deployments.bring_back(delivery.people.carol, deployment=row)
    assert refusal.value.code == "rollback_open"

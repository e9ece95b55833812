"""Forms of these pages, sent as a browser without JavaScript sends them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import ApiToken, Team, User
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.secrets import decrypt
from apps.deployments.models import Deployment
from apps.deployments.services import merge_change
from apps.repositories.models import Repository
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import bare_remote
from tests.support.people import team
from tests.support.streaming import body_of

pytestmark = pytest.mark.django_db(transaction=True)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: object) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())  # type: ignore[attr-defined]


def delivered(tmp_path: Path, staging: str = "cat app/values.yaml", **options: str) -> tuple[Delivery, Deployment]:
    found = Delivery.start(tmp_path, pipeline(staging, **options))
    change = found.approved()
    merge_change(found.people.alice, change=change)
    run_until_idle()
    return found, found.deployment(change)


def test_a_deployment_is_rolled_back_from_its_page_after_typing_the_protected_name(tmp_path: Path):
    delivery, row = delivered(tmp_path)
    production = delivery.deployment(row.change, "production")
    client = client_of(delivery.people.carol)
    shown = text_of(client.get(f"/deployments/{production.number}/rollback/"))
    assert "app/values.yaml" in shown
    assert "staging, production" in shown
    assert "1 approval" in shown
    assert delivery.work.rev_parse("origin/main")[:10] in shown or "Exactly the state of commit" in shown
    refused = client.post(f"/deployments/{production.number}/rollback/", {"confirm": "prod"})
    assert refused.status_code == 422
    assert "Type production" in text_of(refused)
    assert not ChangeRequest.objects.filter(rolls_back=row.change).exists()
    form = {"confirm": "production", "idempotency_key": "k" * 24}
    answers = [client.post(f"/deployments/{production.number}/rollback/", form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    (inverse,) = ChangeRequest.objects.filter(rolls_back=row.change)
    assert {answer["Location"] for answer in answers} == {f"/changes/{inverse.number}/"}
    again = client.post(f"/deployments/{production.number}/rollback/", {"confirm": "production"})
    assert again.status_code == 409
    assert inverse.label in text_of(again)


def test_a_failed_deployment_names_its_error_and_is_retried_from_the_page(tmp_path: Path):
    delivery, row = delivered(tmp_path, "echo before; echo 'Error: quota' >&2; exit 3")
    client = client_of(delivery.people.alice)
    page = text_of(client.get(f"/deployments/{row.number}/"))
    assert "Failed at apply" in page
    assert "Step apply exited with 3." in page
    assert 'class="ll ll-e"' in page
    assert f'href="/deployments/{row.number}/retry/"' in page
    before = text_of(client.get(f"/deployments/{row.number}/retry/"))
    assert "<b>Begun, perhaps applied in part:</b> apply." in before
    assert "Attempt 2 is of the same commit" in before
    assert "all steps, from apply." in before
    assert 'name="only_failed" value="1"' not in before
    assert client.get(f"/deployments/{row.number}/retry/?only_failed=1").status_code == 409
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("failed", 1), "reading starts nothing"
    assert client.post(f"/deployments/{row.number}/retry/", {"from_step": "7"}).status_code == 422
    assert "Retry only what failed" not in page
    refused = client.post(f"/deployments/{row.number}/retry/", {"only_failed": "1"})
    assert refused.status_code == 409
    assert "local kept none" in text_of(refused)
    assert client.post(f"/deployments/{row.number}/retry/", {"from_step": "0"}).status_code == 303
    run_until_idle()
    row.refresh_from_db()
    assert row.attempts == 2
    first = text_of(client.get(f"/deployments/{row.number}/?attempt=1"))
    assert 'id="step-apply-L1"' in first
    for region in ("_header", "_steps", "_events"):
        address = f"/deployments/{row.number}/{region}/"
        assert f'hx-get="{address}?attempt=1"' in first, "what refreshes stays with the attempt that is shown"
        assert f'hx-get="{address}?attempt=1"' in text_of(client.get(f"{address}?attempt=1"))
        assert f'hx-get="{address}"' in text_of(client.get(f"/deployments/{row.number}/"))
    assert 'id="step-apply-2-L1"' in text_of(client.get(f"/deployments/{row.number}/"))
    assert body_of(client.get(f"/deployments/{row.number}/log/?attempt=1")) == b"before\nError: quota\n"


def test_where_there_are_several_steps_the_page_before_a_retry_asks_at_which_it_begins(tmp_path: Path):
    several = "steps: [{name: apply, run: 'true'}, {name: verify, run: 'exit 1'}]}\n  production"
    found = Delivery.start(tmp_path, re.sub(r"steps: .*\n  production", several, pipeline(), count=1))
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    row = Deployment.objects.get(environment__name="staging")
    page = text_of(client_of(found.people.alice).get(f"/deployments/{row.number}/retry/"))
    assert re.search(r"Ran:</b> apply\..*Begun, perhaps applied in part:</b> verify\.", page)
    assert re.search(r'type="radio" name="from_step" value="0"[^>]* checked', page)
    assert "from verify, not again apply" in page
    assert (
        client_of(found.people.alice).post(f"/deployments/{row.number}/retry/", {"from_step": "1"}).status_code == 303
    )
    row.refresh_from_db()
    assert row.retry_from == 1


def test_cancelling_says_what_stays_applied_and_happens_once(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.merged()
    row = delivery.deployment(change, "production")
    client = client_of(delivery.people.alice)
    assert "Nothing ran yet" in text_of(client.get(f"/deployments/{row.number}/cancel/"))
    assert client.post(f"/deployments/{row.number}/cancel/").status_code == 303
    second = client.post(f"/deployments/{row.number}/cancel/")
    assert second.status_code == 409
    assert "nothing to cancel" in text_of(second)


def test_a_person_decides_an_unknown_outcome_and_has_to_say_how_they_know(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    Deployment.objects.filter(pk=row.pk).update(status="unknown")
    client = client_of(delivery.people.carol)
    assert "Decide what happened" in text_of(client.get(f"/deployments/{row.number}/"))
    refused = client.post(f"/deployments/{row.number}/resolve/", {"outcome": "failed", "reason": " "})
    assert refused.status_code == 422
    done = client.post(f"/deployments/{row.number}/resolve/", {"outcome": "failed", "reason": "The pods are old."})
    assert done.status_code == 303
    row.refresh_from_db()
    assert (row.status, row.problem) == ("failed", "The pods are old.")


def test_what_a_pending_deployment_waits_for_stands_on_its_page(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.merged()
    run_jobs("deployments.start")
    row = delivery.deployment(change, "production")
    page = text_of(client_of(delivery.people.dave).get(f"/deployments/{row.number}/"))
    assert "staging must come first" in page
    assert "Not started: staging must come first" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "cancel/" not in page, "an auditor sees no button"


def test_a_repository_is_connected_and_every_refusal_stands_at_its_field(tmp_path: Path, settings):
    delivery = Delivery.start(tmp_path, pipeline())
    client = client_of(delivery.people.carol)
    bare, _ = bare_remote(tmp_path, name="second")
    empty = bare_remote(tmp_path, name="third")[0]
    empty.run("update-ref", "-d", "refs/heads/main")
    good = {"name": "second", "url": str(bare.path)}
    for change, field in (
        ({"name": "no spaces"}, "name"),
        ({"name": "infra"}, "name"),
        ({"url": "/etc"}, "url"),
        ({"url": "ext::sh -c id"}, "url"),
        ({"url": str(tmp_path / "nothing.git")}, "url"),
        ({"url": str(empty.path)}, "url"),
        ({"default_branch": "trunk"}, "default_branch"),
    ):
        answer = client.post("/repositories/connect/", {**good, **change, "secret": "s3cret-value"})
        assert answer.status_code == 422, change
        page = answer.content.decode()
        assert f'id="id_{field}_error"' in page, change
        assert "s3cret-value" not in page, "a secret is never sent back"
        assert f'value="{(good | change)["name"]}"' in page, "what was typed is kept"
    assert Repository.objects.count() == 1
    done = client.post("/repositories/connect/", good)
    assert (done.status_code, done["Location"]) == (303, "/repositories/second/")
    assert "maintainer" in text_of(client.get("/repositories/second/"))


def test_roles_are_given_changed_and_taken_on_the_page_of_the_repository(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    team("sre", delivery.people.mallory)
    client, url = client_of(delivery.people.carol), "/repositories/infra/members/"
    unknown = client.post(url, {"member": "nobody", "role": "viewer"})
    assert unknown.status_code == 422
    assert 'id="id_member_error"' in unknown.content.decode()
    assert client.post(url, {"member": "team/sre", "role": "reviewer"}).status_code == 303
    assert client_of(delivery.people.mallory).get("/repositories/infra/").status_code == 200
    assert client.post(f"{url}remove/", {"member": "team/sre"}).status_code == 303
    assert client_of(delivery.people.mallory).get("/repositories/infra/").status_code == 404
    last = client.post(f"{url}remove/", {"member": "carol"})
    assert last.status_code == 409
    assert "no maintainer" in text_of(last)


def test_a_new_webhook_secret_is_shown_once_and_only_encrypted_in_between(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    client = client_of(delivery.people.carol)
    assert client.post("/repositories/infra/webhook/rotate/").status_code == 303
    secret = decrypt(Repository.objects.get().webhook_secret)
    assert secret not in str(dict(client.session))
    assert secret in client.get("/repositories/infra/").content.decode()
    assert secret not in client.get("/repositories/infra/").content.decode()


def test_a_token_is_shown_once_made_once_and_revoked(db, tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    client = client_of(delivery.people.alice)
    form = {"name": "export", "scopes": ["read"], "days": "30", "idempotency_key": "t" * 24}
    assert client.post("/settings/tokens/", {**form, "scopes": ["admin"]}).status_code == 422
    assert client.post("/settings/tokens/", {**form, "days": "999"}).status_code == 422
    assert [client.post("/settings/tokens/", form).status_code for _ in range(2)] == [303, 303]
    (token,) = ApiToken.objects.all()
    shown = client.get("/settings/tokens/").content.decode()
    (secret,) = re.findall(r"gop_[A-Za-z0-9_-]{43}", shown)
    assert "gop_" + secret[4:] not in client.get("/settings/tokens/").content.decode()
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert client_of(delivery.people.bob).post(f"/settings/tokens/{token.pk}/revoke/").status_code == 404
    assert client.post(f"/settings/tokens/{token.pk}/revoke/").status_code == 303
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_an_administrator_keeps_people_and_teams(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    client = client_of(delivery.people.erin)
    form = {
        "username": "zoe",
        "display_name": "Zoë <b>",
        "email": "zoe@example.org",
        "kind": "human",
        "password": "short",
    }
    weak = client.post("/people/new/", form)
    assert weak.status_code == 422
    assert 'id="id_password_error"' in weak.content.decode()
    assert client.post("/people/new/", {**form, "password": "a-long-enough-one-77"}).status_code == 303
    assert "Zoë &lt;b&gt;" in client.get("/people/?q=zoe").content.decode()
    taken = client.post("/people/new/", {**form, "password": "", "email": ""})
    assert 'id="id_username_error"' in taken.content.decode()
    new = client.post("/teams/new/", {"name": "dba", "title": "Databases", "members": "@zoe, nobody"})
    assert new.status_code == 422
    assert "nobody" in text_of(new)
    assert client.post("/teams/new/", {"name": "dba", "title": "Databases", "members": "@zoe"}).status_code == 303
    assert client.post("/teams/dba/members/", {"user": "bob"}).status_code == 303
    assert client.post("/teams/dba/members/", {"user": "bob"}).status_code == 409
    assert client.post("/teams/dba/members/remove/", {"user": "zoe"}).status_code == 303
    assert list(Team.objects.get(name="dba").members.values_list("username", flat=True)) == ["bob"]
    assert client.post("/people/zoe/connecting/", {"allowed": "yes"}).status_code == 303
    assert client.post("/people/zoe/deactivate/").status_code == 303
    zoe = User.objects.get(username="zoe")
    assert (zoe.can_connect_repositories, zoe.is_active) == (True, False)
    assert client.post("/people/erin/deactivate/").status_code == 409
    assert client.post("/people/zoe/reactivate/").status_code == 303


def test_secrets_of_an_environment_are_set_and_removed_and_never_shown(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    delivery.merged()
    client, url = client_of(delivery.people.carol), "/environments/infra/staging/secrets/"
    bad = client.post(url, {"name": "PATH", "value": "12345678"})
    assert bad.status_code == 422
    assert 'id="id_name_error"' in bad.content.decode()
    assert "12345678" not in bad.content.decode()
    assert client.post(url, {"name": "TOKEN", "value": "value-of-the-token"}).status_code == 303
    page = client.get("/environments/infra/staging/").content.decode()
    assert "TOKEN" in page
    assert "value-of-the-token" not in page
    assert client.post(url, {"name": "TOKEN", "value": "value-for-plans", "used_for": "plan"}).status_code == 303
    assert client.post(url, {"name": "TOKEN", "value": "value-for-all", "used_for": "all"}).status_code == 422
    page = text_of(client.get("/environments/infra/staging/"))
    assert "for plans" in page
    assert client.post(f"{url}remove/", {"name": "TOKEN", "used_for": "plan"}).status_code == 303
    assert client.post(f"{url}remove/", {"name": "TOKEN"}).status_code == 303
    assert client.post(f"{url}remove/", {"name": "TOKEN"}).status_code == 422


def test_the_audit_page_is_never_green_unless_every_entry_was_checked(tmp_path: Path):
    cache.clear()
    delivery = Delivery.start(tmp_path, pipeline())
    client = client_of(delivery.people.dave)
    assert "Not verified since the portal started" in text_of(client.get("/audit/"))
    assert "st--ok" not in client.get("/audit/").content.decode()
    assert client.post("/audit/verify/").status_code == 303
    checked = text_of(client.get("/audit/"))
    assert 'st--ok"' in checked
    assert f"<b>{AuditEntry.objects.count()} entries</b> checked" in checked
    delivery.proposed()
    later = text_of(client.get("/audit/"))
    assert "newer entr" in later
    assert 'st--ok"' not in later
    cache.clear()


def test_the_audit_page_names_a_filter_that_it_does_not_understand_and_keeps_the_others(tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline())
    answer = client_of(delivery.people.dave).get("/audit/?change=seven&actor=alice")
    assert answer.status_code == 422
    assert "Write a change as CHG-42 or 42." in text_of(answer)
    assert 'value="alice"' in text_of(answer)


def test_a_broken_policy_is_explained_with_line_and_fix(tmp_path: Path):
    broken = pipeline().replace("protected: true", "protcted: true")
    delivery = Delivery.start(tmp_path, broken)
    page = text_of(client_of(delivery.people.bob).get("/repositories/infra/policy/"))
    assert re.search(r"\.gitops/portal\.yaml:\d+", page)
    assert "protected" in page
    assert "What is wrong" in page

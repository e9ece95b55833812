"""Every page of deployments, environments, repositories, people and records, opened by everybody of the cast."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.deployments.services import merge_change, set_secret
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.people import team

pytestmark = pytest.mark.django_db(transaction=True)

ANONYMOUS, ALICE, BOB, CAROL, DAVE, ERIN, MALLORY = "anonymous", "alice", "bob", "carol", "dave", "erin", "mallory"
WHO = (ANONYMOUS, ALICE, BOB, CAROL, DAVE, ERIN, MALLORY)
EVERYBODY = (302, 200, 200, 200, 200, 200, 200)
INSIDERS = (302, 200, 200, 200, 200, 200, 404)
MAINTAINERS = (302, 403, 403, 200, 403, 200, 404)
AUDITORS = (302, 403, 403, 200, 200, 200, 403)
ADMINISTRATORS = (302, 404, 404, 404, 404, 200, 404)

PAGES: dict[str, tuple[int, ...]] = {
    "/deployments/": EVERYBODY,
    "/deployments/?state=failed&environment=staging&repository=infra&change=CHG-1&after=9": EVERYBODY,
    "/deployments/1/": INSIDERS,
    "/deployments/1/?attempt=1": INSIDERS,
    "/deployments/1/_header/": INSIDERS,
    "/deployments/1/_steps/": INSIDERS,
    "/deployments/1/_events/": INSIDERS,
    "/deployments/1/_logs/": INSIDERS,
    "/deployments/1/_events/?before=3": INSIDERS,
    "/deployments/1/_log/?step=apply&attempt=1&from=1&to=1": INSIDERS,
    "/deployments/1/?show=errors&step=apply&line=1": INSIDERS,
    "/deployments/1/search/": INSIDERS,
    "/deployments/1/search/?q=a&step=apply&from=2": INSIDERS,
    "/deployments/1/events/?after=0": INSIDERS,
    "/deployments/1/log/": INSIDERS,
    "/deployments/1/cancel/": (302, 409, 403, 409, 403, 403, 404),  # it has succeeded
    "/deployments/1/rollback/": (302, 200, 403, 200, 403, 403, 404),  # alice owns the change
    "/deployments/1/resolve/": INSIDERS,
    "/deployments/1/retry/": (302, 409, 403, 409, 403, 403, 404),  # it has succeeded
    "/deployments/999/": (302, 404, 404, 404, 404, 404, 404),
    "/environments/": EVERYBODY,
    "/environments/infra/staging/": INSIDERS,
    "/environments/infra/nowhere/": (302, 404, 404, 404, 404, 404, 404),
    "/repositories/": EVERYBODY,
    "/repositories/connect/": (302, 403, 403, 200, 403, 200, 403),
    "/repositories/infra/": INSIDERS,
    "/repositories/infra/policy/": INSIDERS,
    "/repositories/infra/credentials/": MAINTAINERS,
    "/repositories/nothing/": (302, 404, 404, 404, 404, 404, 404),
    "/teams/": EVERYBODY,
    "/teams/sre/": EVERYBODY,
    "/teams/new/": (302, 403, 403, 200, 403, 200, 403),
    "/teams/sre/edit/": (302, 403, 403, 403, 403, 200, 403),
    "/teams/nobody/": (302, 404, 404, 404, 404, 404, 404),
    "/people/": ADMINISTRATORS,
    "/people/?q=ali&after=a": ADMINISTRATORS,
    "/people/new/": ADMINISTRATORS,
    "/settings/": EVERYBODY,
    "/settings/tokens/": EVERYBODY,
    "/audit/": AUDITORS,
    "/audit/?actor=alice&action=deployment&change=CHG-1&from=2020-01-01&to=2099-01-01&q=staging": AUDITORS,
    "/audit/{infra}/": AUDITORS,
    "/audit/1/": (302, 403, 403, 404, 404, 200, 403),  # an entry of no repository
    "/runbooks/": EVERYBODY,
    "/runbooks/infra/restore/": INSIDERS,
    "/runbooks/infra/../secret/": (302, 404, 404, 404, 404, 404, 404),
}
"""Address → status for each of :data:`WHO`."""

POSTS = (
    "/deployments/1/start/", "/deployments/1/cancel/", "/deployments/1/retry/", "/deployments/1/resolve/",
    "/deployments/1/rollback/", "/environments/infra/staging/secrets/", "/environments/infra/staging/secrets/remove/",
    "/repositories/infra/sync/", "/repositories/infra/members/", "/repositories/infra/members/remove/",
    "/repositories/infra/webhook/rotate/", "/repositories/infra/credentials/",
)  # fmt: skip
ADMIN_POSTS = (
    "/teams/sre/members/", "/teams/sre/members/remove/", "/teams/sre/edit/", "/people/new/",
    "/people/bob/deactivate/", "/people/bob/reactivate/", "/people/bob/connecting/",
)  # fmt: skip


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    files = {"docs/runbooks/restore.md": "# Restore it\n\nCall <script>alert(1)</script> nobody.\n", "secret.md": "no"}
    found = Delivery.start(tmp_path, pipeline() + "runbooks: docs/runbooks\n", files)
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    team("sre", found.people.bob)
    return found


def signed_in(delivery: Delivery, name: str) -> Client:
    client = Client()
    if name != ANONYMOUS:
        client.force_login(getattr(delivery.people, name))
    return client


def test_every_page_answers_everybody_as_the_table_says(delivery: Delivery):
    number = AuditEntry.objects.filter(repository="infra").values_list("seq", flat=True)[0]
    wrong = {}
    for index, name in enumerate(WHO):
        client = signed_in(delivery, name)
        for page, expected in PAGES.items():
            status = client.get(page.replace("{infra}", str(number))).status_code
            if status != expected[index]:
                wrong[f"{name} {page}"] = (status, expected[index])
    assert wrong == {}


def test_outsiders_and_people_without_the_role_change_nothing(delivery: Delivery):
    before = AuditEntry.objects.count()
    wrong = {}
    for name, allowed in ((ANONYMOUS, {302}), (MALLORY, {404}), (DAVE, {403})):
        client = signed_in(delivery, name)
        for address in POSTS:
            fields = {
                "outcome": "failed",
                "reason": "r",
                "member": "bob",
                "role": "viewer",
                "name": "A",
                "value": "12345678",
            }
            status = client.post(address, {**fields, "confirm": "production"}).status_code
            if status not in allowed:
                wrong[f"{name} {address}"] = status
        for address in ADMIN_POSTS:
            status = client.post(address, {"user": "alice", "username": "new", "kind": "human"}).status_code
            if status not in {302, 403, 404}:
                wrong[f"{name} {address}"] = status
    assert wrong == {}
    assert AuditEntry.objects.count() == before


def test_reading_never_writes_and_actions_are_post_only(delivery: Delivery):
    client = signed_in(delivery, ERIN)
    before = AuditEntry.objects.count()
    for address in (*PAGES, *POSTS, *ADMIN_POSTS):
        client.get(address.replace("{infra}", "2"))
    assert AuditEntry.objects.count() == before
    for address in ("/repositories/infra/sync/", "/people/bob/deactivate/"):
        assert client.get(address).status_code == 405


def test_fragments_are_partials_and_are_not_kept_by_any_cache(delivery: Delivery):
    client = signed_in(delivery, ALICE)
    for address in ("/deployments/1/_header/", "/deployments/1/_steps/", "/deployments/", "/environments/"):
        part = client.get(address, headers={"HX-Request": "true"})
        assert b"<html" not in part.content
        assert part["Cache-Control"] == "no-store"
        assert "HX-Request" in part["Vary"]
        whole = client.get(address, headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
        assert b"<html" in whole.content


def test_markdown_of_a_runbook_cannot_run_anything(delivery: Delivery):
    set_secret(
        delivery.people.carol, environment=delivery.repository.environments.first(), name="KEY", value="hunter2-hunter2"
    )
    client = signed_in(delivery, CAROL)
    page = client.get("/runbooks/infra/restore/").content.decode()
    assert "Restore it" in page
    assert "<script>alert" not in page
    settings = client.get("/environments/infra/staging/").content.decode()
    assert "KEY" in settings
    assert "hunter2" not in settings


def test_the_board_and_the_list_make_a_constant_number_of_queries(delivery: Delivery, django_assert_max_num_queries):
    client = signed_in(delivery, ALICE)
    for address, most in (("/environments/", 16), ("/deployments/", 14), ("/repositories/", 10)):
        client.get(address)
        with django_assert_max_num_queries(most):
            client.get(address)

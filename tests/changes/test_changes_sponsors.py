"""What a programme writes was written for somebody: who answers for it contributed, and cannot approve."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.accounts.services import create_user, deactivate_user, set_sponsor
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.queries import contribution_of
from apps.changes.services import create_change
from apps.core.errors import InvalidInput, NotAllowed
from apps.repositories.services import set_member
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline
from tests.support.people import person
from tests.support.repositories import branch_with, pushed

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def robot(delivery: Delivery, sponsor: User | None) -> User:
    made = create_user(None, username="robot", email="robot@example.org", kind="service", sponsor=sponsor)
    set_member(delivery.people.carol, repository=delivery.repository, member="robot", role="author")
    return made


def written_by_robot(delivery: Delivery) -> ChangeRequest:
    branch_with(
        delivery.work, "bump", {"app/values.yaml": "replicas: 3\n"}, at="origin/main", author="R <robot@example.org>"
    )
    pushed(delivery.repository, delivery.work, "bump:refs/heads/bump")
    return create_change(delivery.people.alice, repository=delivery.repository, title="Bump", source_branch="bump")


def test_who_answers_for_the_programme_cannot_approve_what_it_wrote(delivery: Delivery) -> None:
    robot(delivery, delivery.people.bob)
    change = written_by_robot(delivery)
    assert contribution_of(delivery.people.bob, change) == "answers for a service account that contributed"
    with pytest.raises(NotAllowed) as refused:
        submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")
    assert refused.value.code == "contributor"
    submit_review(delivery.people.kim, change=change, revision=1, verdict="approve")


def test_another_sponsor_later_frees_nobody(delivery: Delivery) -> None:
    account = robot(delivery, delivery.people.bob)
    change = written_by_robot(delivery)
    set_sponsor(person("root", is_administrator=True), user=account, sponsor=delivery.people.kim)
    with pytest.raises(NotAllowed):
        submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")


def test_a_programme_without_a_sponsor_bars_nobody(delivery: Delivery) -> None:
    robot(delivery, None)
    change = written_by_robot(delivery)
    submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")


def test_only_an_active_person_answers_and_only_for_a_service_account(delivery: Delivery) -> None:
    admin = person("root", is_administrator=True)
    account = robot(delivery, None)
    deactivate_user(admin, user=delivery.people.kim)
    delivery.people.kim.refresh_from_db()
    for wrong in (account, delivery.people.kim):
        with pytest.raises(InvalidInput, match="person with an active account"):
            set_sponsor(admin, user=account, sponsor=wrong)
    with pytest.raises(InvalidInput, match="Only a service account"):
        set_sponsor(admin, user=delivery.people.alice, sponsor=delivery.people.bob)
    with pytest.raises(NotAllowed):
        set_sponsor(delivery.people.alice, user=account, sponsor=delivery.people.bob)
    assert not AuditEntry.objects.filter(action="user.sponsor_set").exists()
    set_sponsor(admin, user=account, sponsor=delivery.people.bob)
    assert AuditEntry.objects.get(action="user.sponsor_set").data == {"sponsor": "bob"}

"""Pages that say "not allowed" name who could do it, where the person may see who has which role."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import Kind, User
from apps.repositories.models import Repository, RepositoryRole
from apps.repositories.queries import who_can
from tests.support.delivery import Delivery, pipeline
from tests.support.people import PASSWORD, person, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """carol is maintainer, alice author, bob and kim reviewers, dave auditor."""
    return Delivery.start(tmp_path, pipeline("true", "true"))


def as_(user: User) -> Client:
    client = Client()
    assert client.login(username=user.username, password=PASSWORD)
    return client


def role(repository: Repository, **who: object) -> None:
    RepositoryRole.objects.create(repository=repository, **who)


def test_who_may_not_merge_reads_who_can(delivery: Delivery) -> None:
    change = delivery.approved()
    role(delivery.repository, user=person("nora"), role="deployer")
    answer = as_(delivery.people.bob).post(f"/changes/{change.number}/merge/")
    assert answer.status_code == 403
    assert "Who can do it in infra: nora, carol." in answer.content.decode()


def test_a_fragment_says_it_too_and_the_api_says_which_role_is_missing(delivery: Delivery) -> None:
    change, page = delivery.approved(), as_(delivery.people.bob)
    part = page.post(f"/changes/{change.number}/merge/", headers={"HX-Request": "true"})
    assert part.status_code == 403 and "Who can do it in infra: carol." in part.content.decode()
    problem = page.post(f"/api/v1/changes/{change.number}/merge/", {}, content_type="application/json")
    assert problem.status_code == 403, problem.content
    assert (problem.json()["repository"], problem.json()["role"]) == ("infra", "deployer")


def test_at_most_three_are_named_and_the_exact_role_first(delivery: Delivery) -> None:
    for name in ("nora", "olga", "pete"):
        role(delivery.repository, user=person(name), role="deployer")
    answer = as_(delivery.people.bob).post(f"/changes/{delivery.approved().number}/merge/")
    assert "Who can do it in infra: nora, olga, pete and 1 more." in answer.content.decode()


def test_teams_with_somebody_in_them_are_named_and_nobody_who_is_gone(delivery: Delivery) -> None:
    repository = delivery.repository
    gone, nora = person("gone"), person("nora")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    robot = person("robot")
    User.objects.filter(pk=robot.pk).update(kind=Kind.SERVICE)
    role(repository, user=gone, role="deployer")
    role(repository, user=robot, role="deployer")
    role(repository, team=team("sre", nora), role="deployer")
    role(repository, team=team("empty", gone), role="deployer")
    assert who_can(repository, "deployer") == ("the team SRE", "carol")
    assert who_can(repository, "maintainer") == ("carol",)
    assert who_can(repository, "auditor") == ("dave", "carol")


def test_where_nobody_can_the_page_says_so(delivery: Delivery) -> None:
    change = delivery.approved()
    RepositoryRole.objects.filter(user=delivery.people.carol).delete()
    answer = as_(delivery.people.bob).post(f"/changes/{change.number}/merge/")
    assert "Nobody can do it in infra now." in answer.content.decode()


def test_who_has_no_role_there_reads_no_name(delivery: Delivery) -> None:
    answer = as_(delivery.people.mallory).post(f"/changes/{delivery.approved().number}/merge/")
    assert answer.status_code == 404
    assert "carol" not in answer.content.decode() and "Who can" not in answer.content.decode()

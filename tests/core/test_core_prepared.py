"""Prepared questions answer what their queryset answers, whatever the values, and never from memory."""

from __future__ import annotations

import threading

import pytest
from django.db import close_old_connections
from django.db.models import Q

from apps.accounts.models import Team, User
from apps.core.prepared import Prepared
from tests.support.people import cast

BY_KEY: Prepared[User] = Prepared(lambda pk: User.objects.filter(pk=pk), 1)
TEAMS: Prepared[str] = Prepared(
    lambda user, other: Team.objects.filter(Q(members=user) | Q(members=other)).values_list("name", flat=True), 2
)


@pytest.mark.django_db
def test_a_prepared_question_answers_as_its_queryset_does():
    people = cast()
    for person in (people.alice, people.bob):
        found = BY_KEY.first(person.pk)
        assert found == person
        assert vars(found)["date_joined"] == person.date_joined, "values pass the converters of their fields"
    assert BY_KEY.first(-1) is None
    assert BY_KEY.first(2**63) is None, "no database knows such a number"


@pytest.mark.django_db
def test_a_prepared_question_is_asked_anew_each_time():
    person = cast().alice
    assert BY_KEY.first(person.pk).is_active
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert not BY_KEY.first(person.pk).is_active
    key = person.pk
    person.delete()
    assert BY_KEY.ask(key) == []


@pytest.mark.django_db
def test_each_value_takes_its_own_places():
    people = cast()
    for name, member in (("sre", people.alice), ("net", people.bob)):
        Team.objects.create(name=name).members.add(member)
    assert TEAMS.ask(people.alice.pk, -1) == ["sre"]
    assert TEAMS.ask(-1, people.bob.pk) == ["net"]
    assert sorted(TEAMS.ask(people.alice.pk, people.bob.pk)) == ["net", "sre"]


@pytest.mark.django_db(transaction=True)
def test_threads_ask_through_their_own_connections():
    person = cast().alice
    BY_KEY.first(person.pk)
    seen: list[object] = []

    def ask() -> None:
        try:
            seen.append(BY_KEY.first(person.pk))
        finally:
            close_old_connections()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [person] * 4


@pytest.mark.django_db
def test_a_value_that_becomes_no_parameter_is_refused():
    with pytest.raises(TypeError, match="parameter"):
        Prepared(lambda _unused: User.objects.filter(pk=1), 1).ask(5)

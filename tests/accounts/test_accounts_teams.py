"""Teams: who may change them, and who is in them now."""

from __future__ import annotations

import pytest

from apps.accounts import queries, services, signals
from apps.accounts.models import Team, TeamMembership
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from tests.support.people import Cast, cast, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast()


def last_entry() -> AuditEntry:
    return AuditEntry.objects.latest("seq")


def test_carol_creates_a_team_with_members(people):
    made = services.create_team(people.carol, name="sre", title="Site reliability", members=[people.kim, people.bob])
    assert [user.username for user in queries.team_members("sre")] == ["bob", "kim"]
    assert last_entry().action == "team.created"
    assert last_entry().data["members"] == ["bob", "kim"]
    assert queries.team_by_name("sre") == made


def test_people_without_permission_cannot_create_or_change_teams(people):
    made = team("sre", people.bob)
    for actor in (people.alice, people.bob, people.dave, people.mallory):
        with pytest.raises(NotAllowed):
            services.create_team(actor, name="mine", members=[actor])
    for actor in (people.alice, people.carol, people.mallory):
        with pytest.raises(NotAllowed):
            services.add_team_member(actor, team=made, user=actor)
        with pytest.raises(NotAllowed):
            services.set_team_members(actor, team=made, members=[actor])
        with pytest.raises(NotAllowed):
            services.remove_team_member(actor, team=made, user=people.bob)
        with pytest.raises(NotAllowed):
            services.update_team(actor, team=made, title="", description="", external_group="everybody")
    assert [user.username for user in queries.team_members("sre")] == ["bob"]


@pytest.mark.parametrize("name", ["", "Team", "a b", "team/sre", "x" * 65, "ünit"])
def test_illegal_team_names_are_refused(people, name):
    with pytest.raises(InvalidInput) as refusal:
        services.create_team(people.erin, name=name)
    assert refusal.value.code == "bad_team_name"
    assert "name" in refusal.value.details["fields"]


def test_second_team_of_one_name_is_a_conflict(people):
    services.create_team(people.erin, name="sre")
    with pytest.raises(Conflict) as refusal:
        services.create_team(people.erin, name="sre")
    assert refusal.value.code == "team_exists"


def test_members_are_set_exactly_and_the_difference_is_recorded(people, django_capture_on_commit_callbacks):
    made = team("sre", people.bob, people.kim)
    seen: list[tuple[list[int], list[int]]] = []
    receiver = lambda team_ids, user_ids, **_: seen.append((team_ids, sorted(user_ids)))  # noqa: E731
    signals.team_membership_changed.connect(receiver)
    with django_capture_on_commit_callbacks(execute=True):
        services.set_team_members(people.erin, team=made, members=[people.kim, people.alice])
    signals.team_membership_changed.disconnect(receiver)
    assert [user.username for user in queries.team_members("sre")] == ["alice", "kim"]
    assert last_entry().data == {"added": ["alice"], "removed": ["bob"], "members": ["alice", "kim"]}
    assert seen == [([made.pk], sorted([people.alice.pk, people.bob.pk]))]


def test_one_member_is_added_and_removed_once(people):
    made = team("sre")
    services.add_team_member(people.erin, team=made, user=people.bob)
    with pytest.raises(Conflict) as again:
        services.add_team_member(people.erin, team=made, user=people.bob)
    assert again.value.code == "already_member"
    services.remove_team_member(people.erin, team=made, user=people.bob)
    with pytest.raises(Conflict) as gone:
        services.remove_team_member(people.erin, team=made, user=people.bob)
    assert gone.value.code == "not_a_member"
    actions = list(AuditEntry.objects.filter(target="team/sre").order_by("seq").values_list("action", flat=True))
    assert actions == ["team.member_added", "team.member_removed"]


def test_deactivated_member_is_not_in_the_team_for_rules(people):
    team("sre", people.bob, people.kim)
    services.deactivate_user(people.erin, user=people.kim)
    assert queries.team_members("sre") == (people.bob,)
    assert [(row.handle, row.is_active) for row in queries.team("sre").members] == [("bob", True), ("kim", False)]


def test_principals_resolve_in_constant_queries(people, django_assert_num_queries):
    team("sre", people.bob, people.kim)
    team("empty")
    asked = ["team/sre", "team/empty", "team/none", "user/alice", "user/nobody", "role/reviewer"]
    with django_assert_num_queries(3):
        found = queries.resolve_principals(asked)
    assert found.users == {"team/sre": (people.bob, people.kim), "team/empty": (), "user/alice": (people.alice,)}
    assert found.unknown == ("team/none", "user/nobody", "role/reviewer")


def test_teams_are_listed_in_two_queries(people, django_assert_num_queries):
    team("sre", people.bob)
    team("dba", people.kim, people.bob)
    with django_assert_num_queries(2):
        rows = queries.teams()
    assert [(row.name, [member.handle for member in row.members]) for row in rows] == [
        ("dba", ["bob", "kim"]),
        ("sre", ["bob"]),
    ]
    assert queries.teams_of(people.bob) == {"sre", "dba"}
    with pytest.raises(NotVisible):
        queries.team("none")


def test_group_goes_to_the_team_that_names_it_and_never_to_a_namesake(people):
    team("admins", external_group="corp-admins")
    team("sre")
    services.sync_idp_groups(people.bob, issuer="https://idp.example", groups=["admins", "sre"])
    assert queries.teams_of(people.bob) == {"sre"}
    services.sync_idp_groups(people.bob, issuer="https://idp.example", groups=["corp-admins"])
    assert queries.teams_of(people.bob) == {"admins"}


def test_sync_without_a_change_records_nothing(people):
    team("sre")
    services.sync_idp_groups(people.bob, issuer="https://idp.example", groups=["sre"])
    before = AuditEntry.objects.count()
    services.sync_idp_groups(people.bob, issuer="https://idp.example", groups=["sre", "other"])
    assert AuditEntry.objects.count() == before
    assert TeamMembership.objects.get().source == "idp"


def test_created_teams_never_adopt_a_team_that_stands_for_another_group(people):
    team("admins", external_group="corp-admins")
    groups = ["admins", "New Group", "???"]
    services.sync_idp_groups(people.bob, issuer="https://idp.example", groups=groups, create_missing=True)
    assert queries.teams_of(people.bob) == {"new-group"}
    assert Team.objects.count() == 2

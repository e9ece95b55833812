"""The reviewers panel and its forms, without scripts: what was typed is kept, what is long is bounded, text is escaped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.test import Client

from apps.accounts.models import Absence
from apps.reviews import jobs
from apps.reviews.models import Assignment, Choice
from tests.web.conftest import World

AS = Callable[[str], Client]
EVIL = "<script>alert(1)</script> \u202e"


def test_not_me_without_a_reason_or_with_an_unknown_person_keeps_what_was_typed(world: World, as_: AS) -> None:
    url = world.url("open", "reviewers/decline/")
    jobs.refresh(world.change("open").pk)
    empty = as_("bob").post(url, {"reason": "", "better": "kim"})
    assert empty.status_code == 422
    assert 'value="kim"' in empty.content.decode()
    unknown = as_("bob").post(url, {"reason": "kept words", "better": "nobody"})
    assert unknown.status_code == 422
    assert "Nobody here is called" in unknown.content.decode()
    assert "kept words" in unknown.content.decode()
    assert Assignment.objects.filter(change=world.change("open"), ending="declined").count() == 0


def test_a_second_click_on_not_me_says_that_nobody_is_asked_any_more(world: World, as_: AS) -> None:
    url = world.url("open", "reviewers/decline/")
    jobs.refresh(world.change("open").pk)
    assert as_("bob").post(url, {"reason": EVIL}).status_code == 303
    assert as_("bob").post(url, {"reason": EVIL}).status_code == 409
    jobs.refresh(world.change("open").pk)
    page = as_("alice").get(world.url("open", "reviewers/")).content.decode()
    assert "said “not me”: &lt;script&gt;" in page
    assert "\u202e" not in page


def test_a_big_team_is_bounded_in_the_panel_and_whole_on_its_page(world: World, as_: AS) -> None:
    change = world.change("open")
    jobs.refresh(change.pk)
    choice = Choice.objects.get(change=change)
    others = [{"name": f"p{n:02}", "code": "not_needed", "why": ["not needed"], "load": 0} for n in range(42)]
    choice.record["needs"][0]["not_asked"] = others
    choice.save(update_fields=["record"])
    panel = as_("alice").get(world.url("open", "_reviewers/")).content.decode()
    assert "@p04" in panel
    assert "@p05" not in panel
    assert "and 37 more" in panel
    assert "@p41" in as_("alice").get(world.url("open", "reviewers/")).content.decode()


def test_an_absence_is_entered_and_taken_back_and_a_wrong_one_is_kept_in_the_form(world: World, as_: AS) -> None:
    bob, today = as_("bob"), datetime.now(UTC).date()
    wrong = {"first_day": (today + timedelta(days=2)).isoformat(), "last_day": today.isoformat(), "note": "Hiking"}
    refused = bob.post("/settings/away/", wrong)
    assert refused.status_code == 422
    assert "The last day is before the first one." in refused.content.decode()
    assert "Hiking" in refused.content.decode()
    right = {**wrong, "last_day": (today + timedelta(days=4)).isoformat(), "deputy": "@kim"}
    assert bob.post("/settings/away/", right).status_code == 303
    assert bob.post("/settings/away/", right).status_code == 422, "the same days twice"
    absence = Absence.objects.get()
    assert as_("kim").post(f"/settings/away/{absence.pk}/end/").status_code == 404
    assert bob.post(f"/settings/away/{absence.pk}/end/").status_code == 303
    assert bob.post(f"/settings/away/{absence.pk}/end/").status_code == 409


def test_an_administrator_enters_the_absence_of_somebody_else_on_their_page(world: World, as_: AS) -> None:
    erin, today = as_("erin"), datetime.now(UTC).date()
    assert 'href="/people/bob/away/"' in erin.get("/people/?q=bob").content.decode()
    days = {"first_day": today.isoformat(), "last_day": (today + timedelta(days=4)).isoformat(), "deputy": "bob"}
    refused = erin.post("/people/bob/away/", days)
    assert refused.status_code == 422
    assert "Nobody stands in for themselves." in refused.content.decode()
    assert erin.post("/people/bob/away/", {**days, "deputy": "kim"}).status_code == 303
    absence = Absence.objects.get(user__username="bob")
    assert f'action="/people/bob/away/{absence.pk}/end/"' in erin.get("/people/bob/away/").content.decode()
    assert erin.post(f"/people/kim/away/{absence.pk}/end/").status_code == 404, "of somebody else"
    assert as_("carol").post(f"/people/bob/away/{absence.pk}/end/").status_code == 404
    assert erin.post(f"/people/bob/away/{absence.pk}/end/").status_code == 303
    assert erin.get("/people/nobody-here/away/").status_code == 404


def test_a_swap_of_somebody_who_is_not_asked_is_refused_before_anything_is_typed(world: World, as_: AS) -> None:
    jobs.refresh(world.change("open").pk)
    answer = as_("alice").get(world.url("open", "reviewers/swap/") + "?user=dave")
    assert answer.status_code == 409
    assert "dave is not asked to review" in answer.content.decode()


def test_until_somebody_else_is_chosen_page_and_api_say_that_it_is_being_done(world: World, as_: AS) -> None:
    bob, change = as_("bob"), world.change("open")

    def told() -> tuple[bool, bool, bool]:
        panel = bob.get(world.url("open", "_reviewers/")).content.decode()
        answer = bob.get(f"/api/v1/changes/{change.number}/reviewers/").json()
        return "is being chosen now" in panel, "Nobody can be asked for this now" in panel, answer["is_being_chosen"]

    jobs.refresh(change.pk)
    assert told() == (False, False, False)
    page = bob.post(world.url("open", "reviewers/decline/"), {"reason": "away"}, follow=True).content.decode()
    assert "You are not asked any more. Who is asked instead is being chosen." in page
    assert told() == (True, False, True)
    jobs.refresh(change.pk)
    assert told() == (False, True, False), "the only owner of the code declined"


def test_who_is_named_instead_is_asked_at_once(world: World, as_: AS) -> None:
    jobs.refresh(world.change("open").pk)
    form = {"user": "bob", "to": "carol", "reason": "she knows it"}
    page = as_("alice").post(world.url("open", "reviewers/swap/"), form, follow=True).content.decode()
    assert "bob is not asked any more; carol is." in page
    assert Assignment.objects.filter(change=world.change("open"), user=world.people.carol, ended_at=None).exists()

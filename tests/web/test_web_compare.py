"""The form of a comparison: moments that are understood, and what is told at their fields where they are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.http import HttpResponse

from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput
from apps.deployments.services import cancel, merge_change, release, roll_back
from apps.presentation.comparison_page import Asked, comparison_page
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.web.test_web_drift import client_of

pytestmark = pytest.mark.django_db
EXTREMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59Z")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    found = Delivery.start(tmp_path, pipeline())
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    return found


def asked(delivery: Delivery, **query: str) -> HttpResponse:
    named = {"from": "infra/staging", "to": "infra/staging", **query}
    return client_of(delivery.people.bob).get("/environments/compare/", named)  # type: ignore[return-value]


def test_now_is_understood_as_the_form_says_it(delivery: Delivery) -> None:
    answer = asked(delivery, at="now", to_at=" Now ")
    assert answer.status_code == 200
    html = answer.content.decode()
    assert html.count("as it is now") == 2
    assert 'value="now"' in html
    api = client_of(delivery.people.bob).get("/api/v1/environments/compare/?from=infra/staging&at=now&to=git")
    assert (api.status_code, api.json()["from"]["at"]) == (200, None)


def test_now_alone_names_no_second_side(delivery: Delivery) -> None:
    assert "Choose two sides" in asked(delivery, to="", at="now").content.decode()


def test_a_moment_that_is_none_is_told_at_its_field_and_nothing_typed_is_lost(delivery: Delivery) -> None:
    answer = asked(delivery, at="2026-01-01T10:00", to="infra/production", to_at="<yesterday>")
    html = answer.content.decode()
    assert answer.status_code == 422
    for words in (
        'name="at" value="2026-01-01T10:00"', 'aria-describedby="compare-at_error"', "2026-01-01T10:00 is no moment",
        'name="to_at" value="&lt;yesterday&gt;"', 'aria-describedby="compare-to-at_error"', "&lt;yesterday&gt; is no moment",
        "<option selected>infra/staging</option>", "<option selected>infra/production</option>", "Compare</button>",
    ):  # fmt: skip
        assert words in html, words
    assert html.count('aria-invalid="true"') == 2
    assert "Choose two sides" not in html


def test_only_the_field_that_is_wrong_says_so(delivery: Delivery) -> None:
    html = asked(delivery, at="now", to_at="yesterday").content.decode()
    assert 'id="compare-to-at_error"' in html
    assert 'id="compare-at_error"' not in html
    assert asked(delivery, to="git", to_at="yesterday").status_code == 200  # the tip has no time


@pytest.mark.parametrize("moment", EXTREMES)
def test_moments_that_no_database_reckons_with_are_refused(delivery: Delivery, moment: str) -> None:
    assert asked(delivery, at=moment).status_code == 422
    query = {"from": "infra/staging", "at": moment}
    for path in (
        "/environments/compare/_targets/",
        "/environments/compare/files/",
        "/environments/compare/source/",
        "/api/v1/environments/compare/",
    ):
        assert client_of(delivery.people.bob).get(path, query).status_code == 422, path
    with pytest.raises(InvalidInput, match="of the years 1970 to 9998"):
        comparison_page(delivery.people.bob, Asked("infra/staging", "", moment))


class TestPromoting:
    """From what one side lacks to the button that deploys it there."""

    FORM = "/environments/compare/?from=infra/production&to=infra/staging"

    @pytest.fixture
    def ahead(self, tmp_path: Path) -> Delivery:
        """Staging runs two changes more than production, which is started by hand."""
        yaml = pipeline().replace("protected: true\n    deploy: {", "protected: true\n    deploy: {start: manual, ")
        found = Delivery.start(tmp_path, yaml)
        first = found.merged("zero", {"zero.txt": "0"})
        run_until_idle()
        release(found.people.carol, deployment=found.deployment(first, "production"))
        for name in ("one", "two"):
            found.merged(name, {f"{name}.txt": name})
        run_until_idle()
        return found

    def links(self, delivery: Delivery, who: str, address: str = FORM) -> list[str]:
        html = client_of(getattr(delivery.people, who)).get(address).content.decode()
        return re.findall(r'href="(/(?:deployments/\d+/(?:start/)?|changes/\d+/deploy/[^"]*))"', html)

    def test_the_newest_that_waits_is_started_from_here(self, ahead: Delivery) -> None:
        newest = ahead.deployment(ChangeRequest.objects.latest("number"), "production")
        assert self.links(ahead, "carol")[-1] == f"/deployments/{newest.number}/start/"
        page = client_of(ahead.people.carol).get(f"/deployments/{newest.number}/start/").content.decode()
        assert page.count('<a href="/changes/') >= 2, "it lists all that becomes live"

    def test_what_waits_no_more_is_asked_for_again(self, ahead: Delivery) -> None:
        change = ChangeRequest.objects.latest("number")
        cancel(ahead.people.carol, deployment=ahead.deployment(change, "production"))
        address = f"/changes/{change.number}/deploy/?environment=production"
        assert address in self.links(ahead, "carol")
        assert client_of(ahead.people.carol).get(address).status_code == 200

    def test_what_was_rolled_back_is_not_offered(self, ahead: Delivery) -> None:
        change = ChangeRequest.objects.latest("number")
        inverse = roll_back(ahead.people.carol, deployment=ahead.deployment(change, "staging"))
        for _ in range(2):
            run_until_idle()
            inverse.refresh_from_db()
            if inverse.status == "in_review":
                ahead.approve(inverse)
        assert inverse.status in ("merged", "done"), inverse.status
        offered = self.links(ahead, "carol")
        assert f"/changes/{change.number}/deploy/?environment=production" not in offered
        older = ahead.deployment(ChangeRequest.objects.get(number=change.number - 1), "production")
        assert offered[-1] == f"/deployments/{older.number}/start/"

    def test_who_may_not_deploy_and_what_is_of_another_time_are_offered_nothing(self, ahead: Delivery) -> None:
        offered = [link for link in self.links(ahead, "carol") if link not in self.links(ahead, "dave")]
        assert len(offered) == 1
        then = ahead.repository.created_at.strftime("%Y-%m-%dT%H:%MZ")
        for address in (
            f"{self.FORM}&to_at=2020-01-01T00:00Z",
            f"{self.FORM}&at={then}",
            self.FORM.replace("staging", "production"),
        ):
            assert offered[0] not in self.links(ahead, "carol", address), address

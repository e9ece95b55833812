"""What template tags draw: words with every picture, zones with every time, escapes with every text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django import forms
from django.template import Context, Template

from apps.presentation import gallery
from apps.presentation.templatetags import portal, verdicts


def draw(source: str, **context: object) -> str:
    return Template("{% load portal verdicts %}" + source).render(Context(context))


def test_chip_has_icon_word_and_family_and_escapes_its_detail():
    html = draw("{% status_chip 'failed' detail %}", detail="at <apply>")
    assert 'class="st st--bad"' in html
    assert "#octagon-x" in html
    assert "Failed at &lt;apply&gt;" in html


def test_running_chip_spins_and_hides_its_picture_from_screen_readers():
    html = draw("{% status_chip 'running' %}")
    assert "icon--spin" in html
    assert 'aria-hidden="true"' in html


def test_time_carries_its_zone_and_only_relative_ones_may_be_shortened():
    moment = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)
    assert draw("{% when at %}", at=moment) == (
        '<time datetime="2026-11-03T09:05:00+00:00" data-relative>3 Nov 2026, 09:05 UTC</time>'
    )
    assert "data-relative" not in draw("{% when at style='absolute' %}", at=moment)
    assert "never" in draw("{% when at empty='never' %}", at=None)


@pytest.mark.parametrize(("seconds", "shown"), [(None, "–"), (0, "00:00"), (48.9, "00:48"), (4000, "1:06:40")])
def test_duration_is_a_clock(seconds: float | None, shown: str):
    assert portal.duration(seconds) == shown


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (5, "just now"),
        (60, "1 min"),
        (7200, "2 h"),
        (86_400, "1 day"),
        (3 * 86_400, "3 days"),
        (800 * 86_400, "2 years"),
    ],
)
def test_age_names_one_unit(passed: int, shown: str):
    from django.utils import timezone

    assert portal.age(timezone.now() - timedelta(seconds=passed + 0.5)) == shown


def test_person_is_named_and_nobody_is_the_portal():
    alice = SimpleNamespace(username="alice", display_name="Alice <Author>")
    html = draw("{% person who %}", who=alice)
    assert "Alice &lt;Author&gt;" in html
    assert "@alice" in html
    assert "GitOps Portal" in draw("{% person who %}", who=None)


class Ask(forms.Form):
    title = forms.CharField(help_text="Short.")


def test_field_ties_label_help_and_error_to_its_control():
    html = draw("{% field form.title %}", form=Ask(data={"title": ""}))
    assert '<label for="id_title">Title' in html
    assert 'id="id_title_helptext"' in html
    assert 'id="id_title_error"' in html
    assert 'aria-invalid="true"' in html
    described = html.split('aria-describedby="', 1)[1].split('"', 1)[0]
    assert set(described.split()) == {"id_title_helptext", "id_title_error"}


def test_form_lists_its_errors_with_links_to_the_fields():
    html = str(Ask(data={"title": ""}))
    assert 'href="#id_title"' in html
    assert "This was not saved." in html


def test_stepper_marks_one_step_as_current():
    html = draw("{% change_steps 'deploy_failed' %}")
    assert html.count('aria-current="step"') == 1
    assert "Deploy" in html
    assert "failed" in html


def verdict() -> gallery.SampleVerdict:
    return gallery.sample()["verdict"]


def test_unmet_requirements_come_first_failed_before_waiting():
    assert [row.state for row in verdicts.unmet_first(verdict())] == ["failed", "waiting", "met", "not_needed"]


def test_verdict_partial_never_shows_who_can_act_on_what_is_met():
    html = draw("{% include 'components/_verdict.html' %}", verdict=gallery.sample()["allowed"])
    assert "can act" not in html
    assert "Nothing stands in the way" in html

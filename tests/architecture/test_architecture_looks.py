"""Every state has one word, icon and colour; every colour pair can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.presentation import gallery, stepper, words
from tests.support.colour import VISIONS, ciede2000, contrast, difference

ROOT = Path(__file__).resolve().parents[2]
TOKENS = (ROOT / "static/css/tokens.css").read_text(encoding="utf-8")
SYMBOLS = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons.svg").read_text(encoding="utf-8")))
GROUPS = [words.CHANGE, words.CHANGE_FACTS, words.DEPLOYMENT, words.REQUIREMENT, words.ENVIRONMENT, words.REVIEW]
GROUPS += [words.THREAD, words.REPOSITORY, words.AUDIT, words.ACCESS]
STATUS_FAMILIES = ("ok", "warn", "bad", "info", "done", "neu")
SYNTAX = ("sy-key", "sy-st", "sy-num", "sy-kw", "sy-fn", "sy-com")


def block(selector: str, *, within: str = TOKENS) -> dict[str, str]:
    """The colour tokens of one rule of tokens.css."""
    body = within.split(selector + " {", 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", body))


LIGHT, DARK = block('[data-bs-theme="light"]'), block('[data-bs-theme="dark"]')
THEMES = {
    "light": LIGHT,
    "dark": DARK,
    "light-cb": {**LIGHT, **block('[data-diff="cb"]')},
    "dark-cb": {**DARK, **block('[data-bs-theme="dark"][data-diff="cb"]')},
}


@pytest.mark.parametrize("theme", THEMES)
def test_acceptance_27_text_can_be_read_in_every_theme(theme: str):
    token = THEMES[theme]
    pairs = [
        (text, ground) for text in ("c-fg", "c-muted", "c-accent") for ground in ("c-page", "c-surface", "c-inset")
    ]
    pairs += [(f"c-{family}", f"c-{family}bg") for family in STATUS_FAMILIES]
    pairs += [("c-fg", f"c-{family}bg") for family in STATUS_FAMILIES] + [("c-onaccent", "c-accent")]
    grounds = ("c-surface", "df-add", "df-dele", "df-addw", "df-delw")
    pairs += [(text, ground) for text in ("c-fg", *SYNTAX) for ground in grounds[:3]] + [
        ("c-fg", one) for one in grounds[3:]
    ]
    pairs += [(f"an-{number}", "c-surface") for number in range(16)]
    weak = {pair: round(contrast(token[pair[0]], token[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_acceptance_27_controls_and_focus_can_be_seen_in_every_theme(theme: str):
    token = THEMES[theme]
    grounds = ("c-page", "c-surface", "c-inset")
    weak = {(one, g): contrast(token[one], token[g]) for one in ("c-ctl", "c-focus", "c-accent") for g in grounds}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 3} == {}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_of_difference_agrees_with_the_published_pairs(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=0.0001)
    assert ciede2000(other, one) == pytest.approx(expected, abs=0.0001)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", THEMES)
def test_acceptance_27_added_and_removed_differ_for_every_kind_of_colour_vision(theme: str, vision: str):
    token, least = THEMES[theme], 15 if theme.endswith("cb") else 6
    found = {
        f"{added} {removed}": round(difference(token[added], token[removed], vision), 1)
        for added, removed in (("df-add", "df-dele"), ("df-addn", "df-deln"), ("df-addw", "df-delw"))
    }
    assert {pair: delta for pair, delta in found.items() if delta < least} == {}


def test_the_usual_pale_pair_would_fail_the_test_of_differences():
    assert difference("#e3fcea", "#ffecea", "deutan") < 6


def test_the_system_theme_is_an_exact_copy_of_the_dark_one():
    media = TOKENS.split("@media (prefers-color-scheme: dark)", 1)[1]
    assert block('[data-bs-theme="system"]', within=media) == DARK
    assert block('[data-bs-theme="system"][data-diff="cb"]', within=media) == block(
        '[data-bs-theme="dark"][data-diff="cb"]'
    )


def test_light_and_dark_define_the_same_tokens():
    assert LIGHT.keys() == DARK.keys()


def test_pages_use_tokens_and_no_literal_colours():
    for name in ("app.css", "components.css", "log.css"):
        text = re.split(r"@media print", (ROOT / "static/css" / name).read_text(encoding="utf-8"))[0]
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])", text.replace("#nav-queue-count", "")) == [], name


def test_one_state_never_has_two_looks():
    clashes = {
        state
        for group in GROUPS
        for state, word in group.items()
        if words.WORDS[state] != word and state not in {"waiting", "failed"}
    }
    assert clashes == set()


def test_waiting_is_never_painted_as_failing():
    assert {word.tone for word in words.WORDS.values() if word.icon == "clock"} == {"info"}
    assert {word.tone for word in words.WORDS.values() if word.icon == "octagon-x"} == {"bad"}


def test_every_stored_status_has_a_word():
    from apps.changes.lifecycle import Status as ChangeStatus
    from apps.deployments.lifecycle import Status as DeploymentStatus

    for status in ChangeStatus:
        assert status.value in words.CHANGE
        assert status.value == "withdrawn" or any(step.mark != "future" for step in stepper.steps_of(status.value))
    assert {status.value for status in DeploymentStatus} <= words.DEPLOYMENT.keys()


def test_every_icon_that_is_named_exists():
    used = {word.icon for word in [*words.WORDS.values(), *words.RISK.values(), *words.PLAN_ACTIONS.values()]}
    for template in (ROOT / "templates").rglob("*.html"):
        used |= set(re.findall(r"{% icon \"([\w-]+)\"", template.read_text(encoding="utf-8")))
        used |= set(re.findall(r'icon_name="([\w-]+)"', template.read_text(encoding="utf-8")))
    assert used <= SYMBOLS
    assert set(gallery.ICONS.split()) == SYMBOLS


def test_a_state_without_a_word_is_shown_as_unknown():
    assert words.word_of("half_way") == words.Word("question", "Half way", "neu")


def test_the_step_of_a_failed_deployment_is_marked_and_the_rest_is_future():
    steps = stepper.steps_of("deploy_failed")
    assert [(step.label, step.mark) for step in steps[-2:]] == [("Deploy", "failed"), ("Verified", "future")]

"""A change of the policy: what it says otherwise, in words, and what it would have blocked of the past."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import MergeIntent
from apps.policies.config import differences, document, parse_portal_yaml
from apps.presentation.policy_change import policy_change
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.people import team

pytestmark = pytest.mark.django_db
STRICT = '  - {name: long, when: {paths: ["app/**"]}, needs: {approvals: 1, from: [team/dba]}}\n'


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    found = Delivery.start(tmp_path, pipeline("true", "true"))
    team("dba", found.people.kim)
    return found


def merged(delivery: Delivery, name: str, path: str) -> ChangeRequest:
    return delivery.merged(name, {path: f"{name}\n"})


def test_it_is_tried_on_what_was_merged_and_names_what_it_would_have_blocked(delivery: Delivery) -> None:
    blocked = merged(delivery, "one", "app/values.yaml")
    merged(delivery, "two", "docs/readme.txt")
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=STRICT)})
    page = policy_change(change)
    assert page is not None
    assert page.run is not None
    assert (page.run.tried, page.run.passes) == (2, 1)
    assert [row.number for row in page.run.blocked] == [blocked.number]
    assert "1 approval from team/dba" in page.run.blocked[0].reasons[0]
    assert [(row.what, row.name, row.change) for row in page.differences] == [("rule", "long", "added")]
    assert "to merge, when it touches app/**" in page.differences[0].after


def test_a_rollback_is_tried_where_it_went_and_not_where_its_paths_would_reach(tmp_path: Path) -> None:
    by_hand = pipeline("true", "true").replace(
        "true\n    deploy: {via: local,", "true\n    deploy: {via: local, start: manual,"
    )
    delivery = Delivery.start(tmp_path, by_hand)
    first = delivery.merged("one")
    run_until_idle()
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(first))
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.merge_commit
    assert inverse.rollback_environments == ["staging"], "nobody pressed Start in production"
    change = delivery.proposed("policy", {".gitops/portal.yaml": by_hand + "# as it was\n"})
    page = policy_change(change)
    assert page is not None
    assert page.run is not None
    assert (page.run.tried, page.run.blocked) == (2, ())


def test_what_the_record_does_not_hold_cannot_be_told_and_passes_nobody(delivery: Delivery) -> None:
    merged(delivery, "one", "app/values.yaml")
    asks = "  - {name: ci, needs: {checks: [unit]}}\n"
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=asks)})
    page = policy_change(change)
    assert page is not None
    assert page.run is not None
    assert (page.run.passes, len(page.run.blocked), len(page.run.unknown)) == (0, 0, 1)
    MergeIntent.objects.update(verdict={})
    again = policy_change(change)
    assert again is not None
    assert again.run is not None
    assert len(again.run.unknown) == 1


def test_the_number_of_queries_does_not_grow_with_the_past(delivery: Delivery) -> None:
    merged(delivery, "one", "app/values.yaml")
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=STRICT)})
    with CaptureQueriesContext(connection) as few:
        policy_change(change)
    intent = MergeIntent.objects.get()
    for number in range(20):
        intent.pk, intent.key = None, f"copy {number}"
        intent.save()
    with CaptureQueriesContext(connection) as many:
        policy_change(change)
    assert len(many) == len(few)


def test_an_invalid_policy_is_told_with_its_line_and_tries_nothing(delivery: Delivery, client: Client) -> None:
    change = delivery.proposed("policy", {".gitops/portal.yaml": "apiVersion: portal/v1\nrules: [{name: a}]\n"})
    page = policy_change(change)
    assert page is not None
    assert page.run is None
    client.force_login(delivery.people.bob)
    text = client.get(f"/changes/{change.number}/policy/").content.decode()
    assert "It would be invalid" in text
    assert "lacks the key" in text


def test_the_page_is_a_tab_of_changes_of_the_policy_only(delivery: Delivery, client: Client) -> None:
    client.force_login(delivery.people.bob)
    other = delivery.proposed("other")
    assert "/policy/" not in client.get(f"/changes/{other.number}/").content.decode()
    assert client.get(f"/changes/{other.number}/policy/").status_code == 404
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=STRICT)})
    assert f"/changes/{change.number}/policy/" in client.get(f"/changes/{change.number}/").content.decode()
    text = client.get(f"/changes/{change.number}/policy/").content.decode()
    assert "Nothing was merged into this branch yet" in text
    client.force_login(delivery.people.mallory)
    assert client.get(f"/changes/{change.number}/policy/").status_code == 404


def said(before: str, after: str) -> list[str]:
    """What the later of two policies is told to say otherwise."""
    head = "apiVersion: portal/v1\n"
    one, two = (parse_portal_yaml((head + text).encode()).config for text in (before, after))
    assert one is not None
    assert two is not None
    return [f"{row.change} {row.what}" for row in differences(one, two)]


def test_no_difference_of_two_policies_is_silent() -> None:
    rule = "rules: [{{name: a, needs: {{approvals: 1, ask: {0}}}}}]"
    assert said(rule.format("group"), rule.format("experts")) == ["changed rule"]
    assert said("", "emergency: {from: [team/a]}") == ["changed emergency"]
    assert said("rollback: {protected: 2}", "") == ["changed rollback"]
    window = "windows: [{{name: w, kind: {0}, cron: '0 9 * * 1', duration: 8h}}]"
    assert said(window.format("allow"), window.format("freeze")) == ["changed window"]
    assert said("environments: {a: , b: }", "environments: {b: , a: }") == ["changed order of environments"]
    assert said("environments: {a: {protected: true}}", "environments: {a: }") == ["changed environment"]
    assert said("# a comment", "\n# another") == []


EACH_KEY = {
    "environments": "{a: {protected: true}}",
    "rules": "[{name: a, needs: {approvals: 2}}]",
    "windows": "[{name: w, kind: freeze, cron: '0 9 * * 1', duration: 8h}]",
    "emergency": "{from: [team/a]}",
    "rollback": "{protected: 2}",
    "runbooks": "docs/runbooks",
    "threads": "{resolve: opener}",
    "secrets": "[{name: tokens, keys: ['*_apikey'], values: ['acme-*']}]",
    "outsideChanges": "hold",
    "standard": "[{name: s, paths: [env/*]}]",
    "rego": "policies",
}


def test_every_key_of_the_file_is_told_when_it_comes_and_when_it_goes() -> None:
    assert {*EACH_KEY, "apiVersion"} == set(document.KEYS)
    silent = [
        key for key, value in EACH_KEY.items() if not (said(f"{key}: {value}", "") and said("", f"{key}: {value}"))
    ]
    assert silent == []


def test_what_is_no_longer_called_secret_is_told_in_words() -> None:
    one, two = (
        parse_portal_yaml(f"apiVersion: portal/v1\nsecrets: [{{name: tokens, {patterns}}}]".encode()).config
        for patterns in ("keys: ['*_apikey', '*_pin'], values: ['acme-*']", "keys: ['*_apikey']")
    )
    assert one is not None
    assert two is not None
    (row,) = differences(one, two)
    assert (row.name, row.before) == ("tokens", "hides the fields *_apikey, *_pin and the words acme-*")
    assert row.after == "hides the fields *_apikey"

"""The pages of a roll-back and of bringing back: every file is counted, and what is not known is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from apps.deployments.services import ask_comparison, merge_change
from apps.presentation.comparison_page import Asked, compared_of
from tests.deployments.test_deployments_returning import CLAIM, WEB, begun, landed, three
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db


def test_every_file_is_counted_where_not_all_are_listed(tmp_path: Path, client: Client) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    changes = []
    for count in (1, 2):
        change = delivery.approved(f"c{count}", {f"app/{number}.yaml": f"a: {count}\n" for number in range(205)})
        merge_change(delivery.people.alice, change=change)
        run_until_idle()
        changes.append(change)
    client.force_login(delivery.people.carol)
    addresses = (
        f"{delivery.deployment(changes[1]).number}/rollback",
        f"{delivery.deployment(changes[0]).number}/bring-back",
    )
    for address in addresses:
        shown = client.get(f"/deployments/{address}/").content.decode()
        assert "<summary>205 files change back</summary>" in shown, address
        assert "<li>and 5 more</li>" in shown, address
        assert shown.count('<span class="muted">changed</span>') == 200, address
        assert "Not known beyond the files: nothing of this was rendered" in shown, address
        assert "Nothing is known that would not come back" not in shown, address
    told = client.get(f"/api/v1/deployments/{addresses[1]}/").json()
    assert (told["irreversible"], told["unknown"], told["known"]) == ([], [], [])


def test_what_was_rendered_is_told_apart_from_what_is_not_known(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    first, _, third = three(delivery)
    client.force_login(delivery.people.carol)
    addresses = (f"{delivery.deployment(third).number}/rollback", f"{delivery.deployment(first).number}/bring-back")
    for address in addresses:
        shown = client.get(f"/deployments/{address}/").content.decode()
        assert "Nothing is known that would not come back in staging/raw." in shown, address
        assert "Not known beyond the files" not in shown, address
    assert client.get(f"/api/v1/deployments/{addresses[1]}/").json()["known"] == ["staging/raw"]


def test_what_becomes_different_in_the_rendered_resources_is_shown_before_anything_is_undone(
    tmp_path: Path, client: Client
) -> None:
    delivery = begun(tmp_path)
    first, second, third = three(delivery)
    client.force_login(delivery.people.carol)
    for row, act, then, replicas in (
        (delivery.deployment(third), "rollback", delivery.deployment(second), 3),
        (delivery.deployment(first), "bring-back", delivery.deployment(first), 2),
    ):
        address = f"/deployments/{row.number}/{act}/"
        shown = client.get(address).content.decode()
        assert "What differs in the rendered resources" in shown
        assert "Render and compare" in shown
        assert f'to what it ran with <a href="/deployments/{then.number}/">{then.label}</a>' in shown
        assert then.ended_at is not None
        asked = Asked("infra/staging", "infra/staging", end_at=then.ended_at.isoformat())
        assert ask_comparison(delivery.people.carol, compared=compared_of(delivery.people.carol, asked)) == 1
        run_until_idle()
        shown = client.get(address).content.decode()
        assert "Render and compare" not in shown
        cells = re.findall(r'<td class="fv"[^>]*><bdi class="mono">(.*?)</bdi>', shown)
        assert cells == ["4", str(replicas)]


def test_where_later_changes_stay_it_is_said_where_the_rendered_difference_will_be(
    tmp_path: Path, client: Client
) -> None:
    delivery = begun(tmp_path)
    row = delivery.deployment(landed(delivery, "one", {"staging/web.yaml": WEB % 2}))
    landed(delivery, "two", {"staging/other.yaml": CLAIM})
    client.force_login(delivery.people.carol)
    shown = client.get(f"/deployments/{row.number}/rollback/").content.decode()
    assert "is shown on the change that is made, before anybody approves it" in shown
    assert "What differs in the rendered resources" not in shown

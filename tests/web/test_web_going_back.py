"""The pages of a roll-back and of bringing back: every file is counted, and what is not known is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.deployments.services import merge_change
from tests.deployments.test_deployments_returning import begun, three
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

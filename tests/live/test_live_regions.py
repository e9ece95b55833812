"""Every region that refreshes itself is in the answer to its own address: the page takes an answer without it for a failure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from tests.support.delivery import Delivery, pipeline

REGION = re.compile(r'<\w+[^>]*hx-trigger="portal:(?!diff-counted)[^>]*>')


def named(name: str, tag: str) -> str:
    found = re.search(rf' {name}="([^"]*)"', tag)
    assert found is not None, tag
    return found[1].replace("&amp;", "&")


@pytest.mark.django_db
def test_the_answer_to_the_address_of_a_region_holds_the_region(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    row, open_change = delivery.deployment(delivery.merged()), delivery.proposed("two")
    place = f"/environments/{delivery.repository.name}/staging/"
    changes = [f"/changes/{number}/{tab}" for number in (row.change.number, open_change.number)
               for tab in ("", "history/", "checks/", "deployments/", "approvals/", "rendered/", "plan/")]  # fmt: skip
    pages = ["/queue/", "/inbox/", "/deployments/", f"/deployments/{row.number}/", "/environments/", place,
             f"{place}?after=9", f"{place}drift/", *changes]  # fmt: skip
    client = Client()
    client.force_login(delivery.people.carol)
    asked = set()
    for page in pages:
        answer = client.get(page)
        if answer.status_code == 404:
            continue  # a tab that this change does not have
        for tag in REGION.findall(answer.content.decode()):
            asked.add((named("id", tag), named("hx-get", tag)))
    assert len(asked) > 20, asked
    for region, address in sorted(asked):
        part = client.get(address, headers={"HX-Request": "true"})
        assert part.status_code == 200, address
        assert f'id="{region}"' in part.content.decode(), address

"""One entry of the audit log, as somebody reads it who asks why."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.audit import services as audit
from apps.audit.actors import Actor
from tests.support.people import cast

pytestmark = pytest.mark.django_db


def test_an_entry_tells_what_it_holds_beside_its_sentence(client: Client) -> None:
    erin = cast().erin
    data = {"reason": "the sale <b>", "until": "2026-12-01", "is_first": True, "names": ["a", "b"], "nested": {"a": 1}}
    row = audit.record(Actor.of(erin), "drift.accepted", target="staging", summary="erin accepted drift", data=data)
    client.force_login(erin)
    page = client.get(f"/audit/{row.seq}/").content.decode()
    for words in ("<dt>Reason</dt><dd>the sale &lt;b&gt;", "<dt>Is first</dt><dd>yes", "<dt>Names</dt><dd>a, b"):
        assert words in page
    assert "<dt>Nested</dt>" not in page

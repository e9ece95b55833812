"""What the frame of every page shows is not taken away by what one page brings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from apps.presentation.context import frame
from tests.support.delivery import Delivery, pipeline

MEANT = {"responding.py: freezes", "calendar.py: freezes", "absences.py: time_zone"}
"""The page of an error asks for none; the fragment of the notices; a field of a form."""
VIEWS = sorted(Path("apps/web").rglob("*.py"))


def test_no_page_brings_something_under_a_name_of_the_frame() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    names = "|".join(frame(request))
    taken = {
        f"{path.name}: {found}" for path in VIEWS for found in re.findall(rf'"({names})":', path.read_text("utf-8"))
    }
    assert taken == MEANT


@pytest.mark.django_db
def test_the_page_of_a_deployment_has_the_chosen_look(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    row = delivery.deployment(delivery.merged())
    client = Client()
    client.force_login(delivery.people.carol)
    for name, value in (("theme", "dark"), ("density", "compact"), ("diff", "cb"), ("wrap", "off")):
        client.cookies[name] = value
    for url in (f"/deployments/{row.number}/", f"/deployments/{row.number}/?show=errors", "/deployments/"):
        html = client.get(url).content.decode()
        root = html[: html.index(">", html.index("<html"))]
        for said in ('data-bs-theme="dark"', 'data-density="compact"', 'data-diff="cb"', 'data-wrap="off"'):
            assert said in root, (url, root)

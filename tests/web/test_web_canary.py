"""E6: secrets that are planted in the inputs of every system are nowhere in what the portal shows, says, logs or keeps.

What is left out, because it shows the text of the repository itself to people who may read that: the difference of the
source (``diff/`` and what belongs to it, blame and history of files) and the mirror on disk.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.services import create_token
from apps.audit.models import AuditEntry
from apps.changes import services
from apps.changes.models import ChangeRequest, Rendering
from apps.changes.transitions import Entry, record
from apps.rendering.redaction import MARK
from apps.rendering.terraform.hiding import Cleaner
from tests.changes.test_changes_effects import DEPLOYMENT, FILES, Place
from tests.changes.test_changes_plans import MODULE
from tests.support import canaries
from tests.support.canaries import holds, planted
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import pushed
from tests.support.tools import toolbox
from tests.web.conftest import settle

pytestmark = pytest.mark.django_db

PORTAL = """
apiVersion: portal/v1
environments:
  staging:
    targets:
      raw: {kind: manifests, path: raw}
      app: {kind: kustomize, path: app}
      web: {kind: helm, chart: charts/web, values: [env/web.yaml], release: web}
      fails: {kind: helm, chart: charts/fails, values: [env/web.yaml], release: web, optional: true}
      cluster: {kind: flux, path: flux}
      own: {kind: terraform, path: own}
      broken: {kind: terraform, path: broken, optional: true}
      net: {kind: terraform, path: infra}
      stack: {kind: cloudformation, template: stack.yaml, parameters: stack.json}
secrets: [{name: tokens of the house, keys: ["*_ticket"], values: ["canary7f3e-own-*"]}]
"""
OWN = planted("-own-", "7")
"""A word that only the pattern of the repository says is secret."""
CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
SECRET_OF_CHART = """
apiVersion: v1
kind: Secret
metadata: {name: chart}
data: {a: {{ .Values.database.password | b64enc | quote }}}
stringData: {b: {{ .Values.database.password | quote }}}
"""
FAILS = '{{ fail (printf "cannot use %s, %q, %s" .Values.database.password .Values.database.password .Values.note) }}'
STACK = """
Parameters: {Key: {Type: String, NoEcho: true}}
Resources:
  Store: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "see ${Key}"}}
  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: "OWN"}}
"""
MODULE_OF_ITS_OWN = """
variable "key" {
  default   = KEY
  sensitive = true
}
resource "terraform_data" "a" { input = var.key }
resource "terraform_data" "b" { input = { note = "OWN", password = KEY } }
output "key" {
  value     = var.key
  sensitive = true
}
"""
BROKEN_MODULE = (
    'variable "password" { default = KEY }\nresource "terraform_data" "a" { input = tonumber(var.password) }\n'
)


def files(name: str, own: str) -> dict[str, str]:
    """A secret in each place where one can stand, different ones for each ``name``."""

    def text(kind: str) -> str:
        return json.dumps(planted(f"{name}{kind}"), ensure_ascii=False)

    def encoded(kind: str) -> str:
        return base64.b64encode(planted(f"{name}{kind}").encode()).decode()

    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: NAME}}\ndata: {{a: {encoded('data')}}}\n"
    variables = f"env: [{{name: DB_PASSWORD, value: {text('env')}}}, {{name: NOTE, value: {own}}}]"
    container = DEPLOYMENT.replace('image: "app:1"', f'image: "app:1", {variables}')
    carried = {
        "SECRET": planted(f"{name}bare"),
        "app.json": json.dumps({"db": {"password": planted(f"{name}inside")}, "note": own}),
        ".dockerconfigjson": json.dumps({"auths": {"registry.example.org": {"auth": encoded("login")}}}),
        "key.pem": f"-----BEGIN EC PRIVATE KEY-----\n{planted(name + 'pem')}\n-----END EC PRIVATE KEY-----\n",
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "carried"}, "data": carried}
    hcl = text("hcl").replace("${", "$${")
    return {
        "raw/all.yaml": secret.replace("NAME", "raw")
        + f"stringData: {{b: {text('string')}}}\n---\n{container}\n---\n{json.dumps(config)}\n",
        "app/kustomization.yaml": f"resources: [app.yaml]\nsecretGenerator: [{{name: made, literals: [{json.dumps('a=' + planted(name + 'literal'))}]}}]\n",
        "app/app.yaml": container,
        "charts/web/Chart.yaml": CHART,
        "charts/web/templates/secret.yaml": SECRET_OF_CHART,
        "charts/fails/Chart.yaml": CHART,
        "charts/fails/templates/a.yaml": FAILS,
        "env/web.yaml": f"database: {{password: {text('values')}}}\nnote: {own}\nday_ticket: {text('ticket')}\n",
        "flux/all.yaml": secret.replace("NAME", "flux"),
        "own/main.tf": MODULE_OF_ITS_OWN.replace("KEY", hcl).replace("OWN", own),
        "broken/main.tf": BROKEN_MODULE.replace("KEY", hcl),
        "stack.yaml": STACK.replace("OWN", own),
        "stack.json": json.dumps([{"ParameterKey": "Key", "ParameterValue": planted(f"{name}echo")}]),
        "infra/main.tf": f"# {name}\n{MODULE}",
    }


def plan(secret: str, note: str) -> bytes:
    change = {
        "actions": ["update"],
        "before": {"key": f"{secret}1", "note": note, "size": 1},
        "after": {"key": f"{secret}2", "note": note, "size": 2, "copy": f"of {secret}2"},
        "before_sensitive": {"key": True},
        "after_sensitive": {"key": True},
    }
    entry = {"address": "aws_x.a", "type": "aws_x", "provider_name": "aws", "change": change}
    document = {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {},
        "resource_changes": [entry],
    }
    return json.dumps(document).encode()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl", "terraform")
    cache.clear()
    made = Place(cast(), tmp_path)
    made.work.run("rm", "-q", "-r", "raw", "charts", "env")
    made.work.commit("systems", files={".gitops/portal.yaml": PORTAL, **files("old", planted("-own-", "6"))})
    pushed(made.repository, made.work, "main")
    return made


def proposed(place: Place, given: dict[str, str]) -> tuple[ChangeRequest, dict[str, Rendering]]:
    change = place.propose("change", given)
    rows = render_all(change)
    settle()
    return change, rows


def visited(place: Place, change: ChangeRequest) -> tuple[set[str], int]:
    """Every page and answer about the effect in which something planted stands; how many there were."""
    client = Client()
    client.force_login(place.people.carol, backend="apps.accounts.backends.PortalBackend")
    token = create_token(place.people.carol, user=place.people.carol, name="canary")[1]
    base, api = f"/changes/{change.number}/", f"/api/v1/changes/{change.number}/"
    entries = AuditEntry.objects.values_list("seq", flat=True)
    pages = [
        *(
            base,
            f"{base}rendered/",
            f"{base}plan/",
            f"{base}rendered/?raw=1",
            f"{base}plan/?raw=1",
            f"{base}_rendered/",
        ),
        *(f"{base}_plan/", f"{base}_header/", f"{base}_verdict/", f"{base}_reviewers/", f"{base}_threads/"),
        *(f"{base}approvals/", f"{base}history/", f"{base}reviewers/", f"{base}deployments/", f"{base}drafts/"),
        *("/queue/", "/inbox/", "/changes/", "/audit/", *(f"/audit/{pk}/" for pk in entries)),
        *(api, f"{api}renderings/", "/api/v1/changes/", "/api/v1/audit/"),
        *(f"{api}renderings/{row.label}/" for row in Rendering.objects.all()),
    ]
    found = set()
    for address in pages:
        answer: Any = client.get(address, headers={"Authorization": f"Bearer {token}"} if "/api/" in address else {})
        hidden = address.startswith("/audit/") and answer.status_code == 404  # of what is no repository of hers
        assert answer.status_code == 200 or hidden, (address, answer.status_code)
        if holds(answer.content):
            found.add(address)
    return found, len(pages)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was logged or printed, from the most talkative level on."""
    caplog.set_level(logging.DEBUG)

    def read() -> str:
        printed = capfd.readouterr()
        return "\n".join([printed.out, printed.err, caplog.text, *(str(vars(record)) for record in caplog.records)])

    return read


def test_e6_no_planted_secret_is_anywhere_except_in_the_text_of_the_repository(
    place: Place, logged: Callable[[], str]
) -> None:
    change, rows = proposed(place, files("new", OWN))
    states = {label.partition("/")[2]: row.state for label, row in rows.items()}
    failing = {"fails", "broken", "net"}
    assert states == {name: "failed" if name in failing else "rendered" for name in states}
    assert len(states) == 9, "each system renders, and both that fail do so with a message of the tool"
    assert MARK in rows["staging/fails"].message
    handed_in = plan(planted("plan"), OWN)
    named = {"environment": "staging", "target": "net", "change": change, "revision": 1}
    services.hand_in_plan(place.people.carol, plan=handed_in, **named)
    services.render_again(place.people.alice, change=change, environment="staging", target="fails")
    render_all(change)
    found, count = visited(place, change)
    assert found == set()
    assert count > 35
    assert canaries.in_database() == set()
    assert canaries.in_cache() == set()
    assert not holds(logged())
    shown = str([row.facts for row in Rendering.objects.all()])
    assert "raw" in "".join(rows), shown


def test_what_is_not_hidden_is_found_in_every_one_of_these_places(
    place: Place, logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The companion: with the hiding taken out, the same search finds the same secrets."""
    for name in ("apps.changes.effects.making.redact_raw", "apps.rendering.terraform.plan_json.hidden"):
        monkeypatch.setattr(name, lambda value, *_: value)
    monkeypatch.setattr(Cleaner, "value", lambda _, value: value)
    monkeypatch.setattr("apps.changes.effects.outcomes.unquoted", lambda message, *_: message)
    monkeypatch.setattr("apps.changes.services.rendering.redact_text", lambda text, _: text)
    change, _ = proposed(place, files("new", OWN))
    named = {"environment": "staging", "target": "net", "change": change, "revision": 1}
    services.hand_in_plan(place.people.carol, plan=plan(planted("plan"), OWN), **named)
    services.edit_change(place.people.alice, change=change, title=planted("title", "-"))
    record(change, place.people.alice, Entry("change.updated", f"said {planted('audit', '-')}"))
    settle()
    logging.getLogger("apps.test").warning("said %s", planted("log"))
    found, _ = visited(place, change)
    base, api = f"/changes/{change.number}/", f"/api/v1/changes/{change.number}/"
    assert {base, f"{base}rendered/", f"{base}rendered/?raw=1", f"{base}plan/", f"{api}renderings/"} <= found
    assert {f"{api}renderings/staging/{name}/" for name in ("raw", "app", "web", "cluster", "net", "fails")} <= found
    assert "/changes/" in found
    assert any(address.startswith("/audit/") for address in found)
    assert {
        "changes.Rendering.document", "changes.Rendering.message", "changes.RenderedSide.document",
        "changes.ChangeRequest.title", "audit.AuditEntry.summary",
    } <= canaries.in_database()  # fmt: skip
    assert any("rendered:" in key for key in canaries.in_cache())
    assert holds(logged())


@pytest.mark.parametrize(
    "written",
    [
        planted("a"), json.dumps(planted("a")), base64.b64encode(b"x" + planted("a").encode()).decode(), planted("a").encode().hex(),
        base64.b64encode(b"xy" + planted("a").encode() + b"z").decode(), base64.b64encode(planted("a").encode()).decode(),
        "".join(f"%{byte:02X}" for byte in planted("a").encode()), planted("a")[:12], planted("a")[-12:],
    ],
)  # fmt: skip
def test_the_search_knows_a_secret_however_it_is_written(written: str) -> None:
    assert holds(f"<p>{written}</p>")
    assert not holds(FILES["base/app.yaml"])

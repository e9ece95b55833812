from __future__ import annotations
import json, time, threading
from datetime import timedelta
from pathlib import Path
import pytest
from django.test import Client
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import DriftCheck
from tests.support.commanded import SECRET, Commanded
pytestmark = pytest.mark.django_db


def script(world, lines, status):
    body = world.there.parent / "out"
    body.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
    world.there.write_text(f"cat {body}; exit {status}")


@pytest.fixture
def world(tmp_path):
    return Commanded(tmp_path, "sh THERE")


def accept(world, mark):
    services.accept_drift(world.delivery.people.carol, environment=world.environment, mark=mark, reason="x", until=now() + timedelta(days=1))


def test_many(world, client):
    line = lambda **k: json.dumps(k)
    # A long lines
    a = line(resource="a", path="p", wanted="1", found="2")
    big = line(resource="b", path="p", wanted="x" * 6000, found="y" * 100, more=["z"] * 600)
    bad = line(resource="b", path="p", wanted=["x" * 50] * 200, found=["y" * 50] * 200)
    script(world, [a, bad], 2)
    print("A1", world.check().state, [f["resource"] for f in world.latest.findings], world.latest.more)
    accept(world, world.latest.findings[0]["mark"])
    d = world.check()
    print("A2 after accepting a:", d.state, d.fields, d.accepted)
    script(world, [bad], 0)
    print("A3 exit 0 with long line:", world.check().state, repr(world.latest.why))
    # swallow: wanted and found both long texts
    sw = line(resource="c", path="p", wanted="w" * 7000, found="f" * 7000)
    script(world, [sw], 2)
    world.check()
    print("A4", [(f["resource"], f["wanted"][:20], f["found"][:20], f["is_vague"]) for f in world.latest.findings])
    # C same marks for different long values
    marks = []
    for middle in "AB":
        script(world, [line(resource="c", path="data", wanted="w", found="f" * 6500 + middle * 1000 + "g" * 6500)], 2)
        world.check()
        marks.append([f["mark"] for f in world.latest.findings])
    print("C same mark for different values:", marks[0] == marks[1])
    accept(world, marks[1][0][0] if False else marks[1][0])
    print("C accepted", world.check().state)
    script(world, [line(resource="c", path="data", wanted="w", found="f" * 6500 + "HACKED" * 100 + "B" * 400 + "g" * 6500)], 2)
    print("C other value still:", world.check().state)

def test_numeric_secret(world):
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="ACCOUNT", value="123456789012")
    world.environment.live_deployment.attempts.update(sealed_secrets="")
    a = json.dumps(dict(resource="a", path="p", wanted=1, found=2))
    b = json.dumps(dict(resource="Role", path="accountId", wanted=123456789012, found=5))
    script(world, [a, b], 2)
    print("B1", world.check().state, [f["resource"] for f in world.latest.findings])
    accept(world, world.latest.findings[0]["mark"])
    print("B2", world.check().state)
    script(world, [b], 0)
    print("B3 exit 0:", world.check().state)

def test_dups(world, client):
    a = json.dumps(dict(resource="a", path="p", wanted=1, found=2))
    r = json.dumps(dict(resource="r" * 10000, path="q" * 400 + "1", wanted=1, found=2))
    r2 = json.dumps(dict(resource="r" * 10000, path="q" * 400 + "2", wanted=1, found=2))
    script(world, [a, a, r[:0] or json.dumps(dict(resource="r"*400+"1", path="q"*400+"1", wanted=1, found=2)), json.dumps(dict(resource="r"*400+"2", path="q"*400+"2", wanted=1, found=2))], 2)
    d = world.check()
    fs = world.latest.findings
    print("F", d.state, d.fields, d.resources, len({f["mark"] for f in fs}), len(fs))
    client.force_login(world.delivery.people.carol)
    page = client.get("/environments/infra/staging/drift/").content.decode()
    import re
    ids = re.findall(r'\sid="([^"]+)"', page)
    print("F dup ids", sorted({i[:30] for i in ids if ids.count(i) > 1}))
    accept(world, fs[0]["mark"]); accept(world, fs[2]["mark"])
    d = world.check(); print("F2", d.state, d.accepted)
    print(client.get("/environments/infra/staging/drift/").status_code, client.get("/api/v1/environments/infra/staging/drift/").status_code)

def test_weird(world, client):
    client.force_login(world.delivery.people.carol)
    lines = [
      '{"resource": "n", "path": "p", "wanted": NaN, "found": NaN}',
      '{"resource": "n2", "path": "p", "wanted": 1e400, "found": -Infinity}',
      '{"resource": "n3", "path": "p", "wanted": "\\u0000\\ud800", "found": {"a\\u0000\\udfff": "\\u0000"}}',
      '{"resource": "\\u0000\\ud800", "path": "p\\u0000", "kind": "missing"}',
      '{"resource": "novals", "path": "p"}',
      '{"resource": "novals2"}',
      '{"resource": "another", "kind": "another"}',
      '{"resource": "told", "kind": "told", "found": null}',
      '{"resource": "lst", "path": ["a", "b"], "wanted": null}',
      '{"resource": "zero", "path": 0, "wanted": 1}',
      '{"resource": "esc\\u001b[31m\\u202ertl", "path": "p", "found": "\\u202e"}',
    ]
    script(world, lines, 2)
    print("W", world.check().state)
    for f in world.latest.findings: print("   ", {k: f[k] for k in ("resource","kind","path","wanted","found","is_vague")})
    for u in ("/environments/infra/staging/drift/", "/api/v1/environments/infra/staging/drift/"):
        r = client.get(u); print(u, r.status_code, b"\x00" in r.content)
    for depth in (50, 900, 950, 960, 970, 975, 980, 985, 990, 995, 1000):
        script(world, ['{"resource": "deep", "path": "p", "wanted": ' + "[" * depth + "]" * depth + '}'], 2)
        st = world.check().state
        print("depth", depth, st, world.latest.why[:80], [f["resource"] for f in world.latest.findings])

def test_status(tmp_path):
    world = Commanded(tmp_path, "sh THERE; kill -9 $$", ", differs: 137")
    world.there.write_text("true")
    print("D", world.check().state, world.latest.why, world.latest.findings)

def test_dash(world):
    for text in ("set -eu; . ./scripts/nothere.sh; exit 0", "set -u; echo $NOT_SET; exit 0", "if then", "set -e; cd nowhere; exit 0", ": ${CLUSTER_DIR:?is not set}", "set -e; ls nowhere; exit 0", "set -e; grep x nowhere; exit 0", "cat <nowhere", "set -e; exec 3<nowhere"):
        world.there.write_text(text)
        print("E", repr(text), world.check().state, world.latest.why, [f["found"] for f in world.latest.findings])

def test_leaks(world):
    esc = "\\u0074" + SECRET[1:]
    for one in (
        {"path": "x" * 285 + "@"},
        {"resource": "x" * 285 + "@", "path": "b"},
        {"path": "b", "found": "x" * 1985 + "@"},
        {"path": "b", "found": {"k": "x" * 1978 + "@"}},
    ):
        line = json.dumps({"resource": "a", **one}).replace("@", esc)
        script(world, [line], 2)
        world.check()
        dump = json.dumps(world.latest.findings)
        print("H", next((n for n in range(len(SECRET), 0, -1) if SECRET[:n] in dump), 0), "of", len(SECRET), "characters")

def test_leak_php(world):
    s = "p@ss/word/with-slash 2  spaces"
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="OTHER", value=s)
    world.environment.live_deployment.attempts.update(sealed_secrets="")
    php = s.replace("/", "\\/")
    for val in (f'"found": "{php}"', f'"found": "{"x" * 1980}{php}"', f'"found": ["{php}"]'):
        script(world, ['{"resource": "a", "path": "b", ' + val + '}'], 2)
        world.check()
        print("H2", world.latest.findings[0]["found"][-60:])
    script(world, ['{"resource": "a", "path": "b", "found": "' + php + '"}'], 1)
    world.check(); print("H3", world.latest.why)
    script(world, ['{"message": "' + php + '"}'], 2)
    world.check(); print("H4", world.latest.findings[0]["found"])

def test_speed(world):
    from django.db import connection
    for name, text in (("short", "a\n" * 524_000), ("named", '{"resource":"a","path":"b"}\n' * 37000), ("brackets", "[" * 5000 + "\n")):
        (world.there.parent / "out").write_text(text[:1_048_000])
        world.there.write_text(f"cat {world.there.parent}/out; exit 2")
        t = time.monotonic(); st = world.check().state
        print("I", name, st, round(time.monotonic() - t, 1), "s", world.latest.more)

def test_exact(world):
    line = '{"resource": "last", "path": "p"}'
    text = "x" * (1 << 20)
    text = "n\n" * (((1 << 20) - len(line)) // 2)
    text = text + "x" * ((1 << 20) - len(line) - len(text) - 1) + "\n" + line if len(text) < (1<<20)-len(line) else text + line
    print(len(text), 1 << 20)
    (world.there.parent / "out").write_text(text)
    world.there.write_text(f"cat {world.there.parent}/out; exit 0")
    print("X", world.check().state, world.latest.why)

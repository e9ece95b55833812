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



from apps.deployments.models import Attempt

def test_numeric_secret(world):
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="ACCOUNT", value="123456789012")
    Attempt.objects.update(sealed_secrets="")
    a = json.dumps(dict(resource="a", path="p", wanted=1, found=2))
    b = json.dumps(dict(resource="Role", path="accountId", wanted=123456789012, found=5))
    script(world, [a, b], 2)
    print("B1", world.check().state, [f["resource"] for f in world.latest.findings])
    accept(world, world.latest.findings[0]["mark"])
    print("B2", world.check().state)
    script(world, [b], 0)
    print("B3 exit 0:", world.check().state)

def test_masked_swap(world):
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="SECOND", value="another-secret-1")
    Attempt.objects.update(sealed_secrets="")
    script(world, [json.dumps(dict(resource="a", path="p", wanted="changeme", found=SECRET))], 2)
    world.check(); accept(world, world.latest.findings[0]["mark"])
    print("M1", world.check().state, world.latest.findings[0]["found"])
    script(world, [json.dumps(dict(resource="a", path="p", wanted="changeme", found="another-secret-1"))], 2)
    print("M2 another value:", world.check().state)

def test_leak_php(world):
    s = "p@ss/word/with-slash 2  spaces"
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="OTHER", value=s)
    Attempt.objects.update(sealed_secrets="")
    php = s.replace("/", "\\/")
    for val in (f'"found": "{php}"', f'"found": "{"x" * 1980}{php}"', f'"found": ["{php}"]'):
        script(world, ['{"resource": "a", "path": "b", ' + val + '}'], 2)
        world.check()
        print("H2", world.latest.findings[0]["found"][-60:])
    script(world, ['{"resource": "a", "path": "b", "found": "' + php + '"}'], 1)
    world.check(); print("H3", world.latest.why)
    s = "correct/horse  battery"
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="OTHER", value=s)
    script(world, ['{"resource": "a", "path": "b", "found": "' + s.replace("/", "\\/") + '"}'], 2)
    world.check()
    print("H5", world.latest.findings[0]["found"][-60:])

def test_uesc(world):
    # uppercase hex, as Jackson, .NET and others write it
    s = "gr\u00fcn-<Passwort>-1234"
    services.set_secret(world.delivery.people.erin, environment=world.environment, name="OTHER", value=s)
    Attempt.objects.update(sealed_secrets="")
    net = s.replace("\u00fc", "\\u00FC").replace("<", "\\u003C").replace(">", "\\u003E")
    for n in (0, 1985):
        script(world, ['{"resource": "a", "path": "b", "found": "' + "x" * n + net + '"}'], 2)
        world.check()
        print("H6", world.latest.findings[0]["found"][-40:])
    print(net)

def test_folder(world):
    from apps.deployments.jobs.drift_commands import looking_at
    from apps.deployments.jobs.runs import run_of_check
    from apps.deployments.dispatchers.checking import run_command
    d = world.environment.live_deployment
    run = run_of_check(d, Attempt.objects.filter(deployment=d).get())
    got = {}
    def b():
        with looking_at(d) as home:
            got["answer"] = run_command(run, "sleep 2; [ -e app/values.yaml ] || { echo no app/values.yaml; exit 2; }; exit 0", 30, lambda: True, home=home)
    a = looking_at(d); a.__enter__()
    def wrap():
        try: b()
        except Exception as e: got["error"] = repr(e)
    t = threading.Thread(target=wrap); t.start(); time.sleep(1.3)
    a.__exit__(None, None, None)
    t.join()
    print("O", got)

def test_leftover(world, settings):
    left = Path(settings.PORTAL_DATA_DIR) / "drift" / str(world.environment.pk) / "dead" / "home"
    left.mkdir(parents=True); (left / "kubeconfig").write_text("token: " + SECRET)
    from apps.deployments.jobs import JOBS
    for job in JOBS if isinstance(JOBS, (list, tuple)) else []:
        if "tidy" in job.name or "janitor" in job.name:
            for pk in job.due(100): job.run(pk)
    print("L left:", left.exists())
    from apps.operations.management.commands import back_up
    out = Path(settings.PORTAL_DATA_DIR).parent / "copy"; out.mkdir()
    problems = list(back_up._copy(Path(settings.PORTAL_DATA_DIR), out, Path(), None))
    print("L in backup:", [str(p.relative_to(out)) for p in out.rglob("kubeconfig")], (out / "checks").exists())

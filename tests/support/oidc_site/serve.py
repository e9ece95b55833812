"""``python -m tests.support.oidc_site.serve``: migrate, seed from OIDC_SITE_DIR/seed.json, serve, print the port."""

from __future__ import annotations

import json
import os
import socketserver
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.oidc_site.settings"


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing: the port on standard output is all that the parent reads."""


def seed(data: dict[str, list[dict[str, str]]]) -> None:
    from allauth.account.models import EmailAddress
    from allauth.idp.oidc.models import Client
    from django.contrib.auth.models import User

    for row in data["clients"]:
        client = Client(id=row["id"], name=row["id"], skip_consent=True, redirect_uris=row["redirect_uri"])
        client.set_scopes(["openid", "profile", "email"])
        client.set_secret(row["secret"])
        client.save()
    for row in data["people"]:
        user = User.objects.create_user(row["username"], row["email"], row["password"], first_name=row["name"])
        EmailAddress.objects.create(user=user, email=row["email"], verified=row["verified"], primary=True)


def main() -> None:
    django.setup()
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    seed(json.loads((Path(os.environ["OIDC_SITE_DIR"]) / "seed.json").read_text()))
    server = make_server("127.0.0.1", 0, get_wsgi_application(), _Server, _Quiet)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()

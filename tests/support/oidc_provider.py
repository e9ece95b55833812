"""A real OpenID Connect provider in its own process, and a browser's way through it with httpx."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "provider-password"
CLIENT_ID = "portal"
CLIENT_SECRET = "portal-secret"
CALLBACK = "http://testserver/accounts/oidc/sso/login/callback/"


class OidcProvider:
    """Start with :meth:`start`, end with :meth:`stop`. People are given as ``username: (email, verified)``."""

    def __init__(self, process: subprocess.Popen[str], issuer: str, folder: Path) -> None:
        self.process = process
        self.issuer = issuer
        self.folder = folder

    @classmethod
    def start(cls, folder: Path, people: dict[str, tuple[str, bool]], *, redirect_uri: str = CALLBACK) -> OidcProvider:
        """Run the provider on a free port of 127.0.0.1 with its own SQLite file in ``folder``."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "key.pem").write_bytes(pem)
        seed = {
            "clients": [{"id": CLIENT_ID, "secret": CLIENT_SECRET, "redirect_uri": redirect_uri}],
            "people": [
                {"username": name, "email": email, "verified": verified, "password": PASSWORD, "name": name.title()}
                for name, (email, verified) in people.items()
            ],
        }
        (folder / "seed.json").write_text(json.dumps(seed))
        environment = {"PATH": os.environ["PATH"], "OIDC_SITE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.oidc_site.serve"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr.txt").open("w"),
            text=True,
        )
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, (folder / "stderr.txt").read_text()
        return cls(process, f"http://127.0.0.1:{port}", folder)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def app_settings(self, *, secret: str = CLIENT_SECRET, server_url: str = "") -> dict[str, Any]:
        """``SOCIALACCOUNT_PROVIDERS`` of a portal that uses this provider."""
        return {
            "openid_connect": {
                "provider_class": "apps.accounts.oidc.PortalProvider",
                "APPS": [
                    {
                        "provider_id": "sso",
                        "name": "Corp",
                        "client_id": CLIENT_ID,
                        "secret": secret,
                        "settings": {
                            "server_url": server_url or self.issuer,
                            "oauth_pkce_enabled": True,
                            "scope": ["openid", "profile", "email"],
                        },
                    }
                ],
            }
        }

    def set_groups(self, username: str, groups: Iterable[str]) -> None:
        """Put the person into exactly these groups at the provider."""
        with closing(sqlite3.connect(self.folder / "idp.sqlite3", timeout=10)) as database, database:
            user = database.execute("SELECT id FROM auth_user WHERE username = ?", [username]).fetchone()[0]
            database.execute("DELETE FROM auth_user_groups WHERE user_id = ?", [user])
            for name in groups:
                database.execute("INSERT OR IGNORE INTO auth_group (name) VALUES (?)", [name])
                group = database.execute("SELECT id FROM auth_group WHERE name = ?", [name]).fetchone()[0]
                database.execute("INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, ?)", [user, group])

    def authorise(self, url: str, username: str) -> str:
        """Follow the portal's redirect as a browser: sign in at the provider; the URL it sends back to."""
        with httpx.Client(follow_redirects=False, timeout=20) as browser:
            response = browser.get(url)
            while response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if not target.startswith(self.issuer):
                    return target
                response = browser.get(target)
                if response.status_code == 200 and 'name="login"' in response.text:
                    response = browser.post(
                        target,
                        data={
                            "csrfmiddlewaretoken": _field(response.text, "csrfmiddlewaretoken"),
                            "next": _field(response.text, "next"),
                            "login": username,
                            "password": PASSWORD,
                        },
                        headers={"Referer": target},
                    )
            raise AssertionError(f"{response.status_code} at {response.url}: {response.text[:2000]}")


def _field(html: str, name: str) -> str:
    tag = re.search(rf'<input[^>]*name="{name}"[^>]*>', html)
    assert tag, f"no field {name}"
    value = re.search(r'value="([^"]*)"', tag[0])
    return value[1].replace("&amp;", "&") if value else ""

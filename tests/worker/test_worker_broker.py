"""One ``REDIS_URL`` means the same to Celery as to the caches: whom it believes, by which way, and what a wrong one costs."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from apps.worker import dispatching
from gitops_portal import broker
from gitops_portal.env import BadEnvironment
from tests.support.redis_server import OwnRedis
from tests.support.server import ROOT

PASSWORD = "the-password-of-redis"
ASK = """
from gitops_portal.celery import app
try:
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.client.ping()
        print("answered in", channel.client.connection_pool.connection_kwargs["db"])
except Exception as problem:
    print(type(problem).__name__, problem)
"""


class Listener:
    """A TLS server with a certificate of its own making; ``heard`` is what it was sent inside of TLS."""

    def __init__(self, place: Path) -> None:
        self.key, self.certificate = place / "key.pem", place / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(self.key), "-out", str(self.certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.heard = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, self.key)

    @contextmanager
    def listening(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self._answer, args=(server,), daemon=True).start()
            yield int(server.getsockname()[1])

    def _answer(self, server: socket.socket) -> None:
        while True:
            try:
                asked, _ = server.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(asked, server_side=True) as spoken:
                    self.heard += spoken.recv(4096)
                    spoken.sendall(b"-ERR no\r\n")
            except OSError:
                asked.close()


def asked(url: str, tmp_path: Path) -> str:
    """What a process with this address hears when its Celery asks for a sign of life."""
    given = {"PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(tmp_path), "REDIS_URL": url}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", ["", "?ssl_check_hostname=true", "?ssl_cert_reqs=required"])
def test_a_server_that_nobody_vouches_for_gets_no_password(options: str, tmp_path: Path) -> None:
    server = Listener(tmp_path)
    with server.listening() as port:
        said = asked(f"rediss://:{PASSWORD}@localhost:{port}/0{options}", tmp_path)
    assert "certificate verify failed" in said
    assert server.heard == b""


@pytest.mark.parametrize("options", ["?ssl_ca_certs={}", "?ssl_ca_certs={}&ssl_cert_reqs=required"])
def test_a_server_whose_certificate_is_vouched_for_is_believed(options: str, tmp_path: Path) -> None:
    server = Listener(tmp_path)
    with server.listening() as port:
        url = f"rediss://:{PASSWORD}@localhost:{port}/0{options.format(server.certificate)}"
        assert "certificate" not in asked(url, tmp_path)
        assert PASSWORD.encode() in server.heard
        assert "certificate verify failed" in asked(url.replace("localhost", "127.0.0.1"), tmp_path), "of another name"


def test_who_wants_no_check_has_to_say_so_in_words_that_both_know(tmp_path: Path) -> None:
    server = Listener(tmp_path)
    with server.listening() as port:
        asked(f"rediss://:{PASSWORD}@localhost:{port}/0?ssl_cert_reqs=none", tmp_path)
    assert PASSWORD.encode() in server.heard
    with pytest.raises(BadEnvironment, match="ssl_cert_reqs must be one of"):
        broker.connection("rediss://localhost/0?ssl_cert_reqs=CERT_REQUIRE")


def test_a_plain_address_is_taken_as_it_is() -> None:
    assert broker.connection("redis://:a@host:1/2") == {"broker_url": "redis://:a@host:1/2"}
    assert broker.connection("") == {"broker_url": ""}


@pytest.mark.redis
def test_a_unix_socket_is_the_same_place_to_celery_as_to_the_caches(tmp_path: Path) -> None:
    place = tmp_path / "redis.sock"
    server = OwnRedis(tmp_path)
    server.command += ["--unixsocket", str(place)]
    server.start()
    with closing(server):
        with redis.Redis.from_url(server.url) as client:
            client.config_set("requirepass", "p/w:d@")
        address = f"unix://{place}?db=3&password=p%2Fw%3Ad%40"
        with redis.Redis.from_url(address) as client:
            assert client.ping()
        assert asked(address, tmp_path) == "answered in 3\n"


@pytest.mark.parametrize("problem", [KeyError("No such transport: unix"), TypeError("unexpected keyword argument")])
def test_a_wake_up_that_cannot_be_sent_never_reaches_who_asked(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    from apps.worker.tasks import run_unit

    def broken(*_args: object, **_options: object) -> None:
        raise problem

    monkeypatch.setattr(run_unit, "apply_async", broken)
    monkeypatch.setattr(dispatching, "_silent_until", 0.0)
    dispatching.send("deployments.start", 1)
    assert dispatching._silent_until > 0

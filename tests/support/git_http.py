"""A real Git server over HTTP for tests: ``git http-backend`` behind the standard library's server.

``GitHttp(root, username, password)`` serves every repository below ``root``; with a password all
requests need it (Basic). ``SilentHost`` accepts connections and never says a word.
"""

from __future__ import annotations

import base64
import gzip
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.git import ENVIRONMENT


class GitHttp:
    """Context manager; ``url("team/app.git")`` is the address of one repository."""

    def __init__(self, root: Path, username: str = "alice", password: str = "", host: str = "127.0.0.1") -> None:
        self.requests: list[tuple[str, str, bool]] = []  # method, path, was authorised

        class Handler(_Handler):
            owner = self
            folder = root
            credentials = f"{username}:{password}" if password else ""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._host = host
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.redirect_to = ""
        self.lose_answers = 0  # of the next pushes: taken, and the connection is closed without a word

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str) -> str:
        """The http address of the repository at ``root/path``."""
        return f"http://{self._host}:{self.port}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: GitHttp
    folder: Path
    credentials: str

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self._body()
        user = self._user()
        self.owner.requests.append((self.command, url.path, bool(user)))
        if self.owner.redirect_to:
            self._answer(302, [("Location", self.owner.redirect_to + self.path)], b"")
        elif self.credentials and not user:
            self._answer(401, [("WWW-Authenticate", "Basic realm=git")], b"")
        else:
            self._backend(url.path, url.query, user, body)

    do_POST = do_GET  # noqa: N815 - the name that the standard library calls

    def _user(self) -> str:
        given = self.headers.get("Authorization", "")
        text = base64.b64decode(given[6:]).decode() if given.startswith("Basic ") else ""
        return text.partition(":")[0] if text and text == self.credentials else ""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _backend(self, path: str, query: str, user: str, body: bytes) -> None:
        env = {
            **ENVIRONMENT,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_PROJECT_ROOT": os.fspath(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_USER": user,
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env, check=False)
        if path.endswith("/git-receive-pack") and self.owner.lose_answers:
            self.owner.lose_answers -= 1
            self.close_connection = True
            return
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                headers.append((name, value))
        self._answer(status, headers, answer)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class SilentHost:
    """Context manager: a port that accepts connections and never answers."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

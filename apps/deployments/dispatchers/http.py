"""Speaking HTTP with an outside system: what an answer, or none, lets us conclude about what was asked.

A request that changes something ends in one of four ways, and the difference decides whether it may be
sent again: an answer; :class:`NotSent` (no connection came about, or "too many requests": it was not
taken); :class:`Refused` (another 4xx, a redirect); :class:`InDoubt` (the connection broke, no answer in
time, 5xx: RFC 9110 §9.2.2 does not let us repeat it). Where the answer says when to come again, the problem has
``retry_after`` (seconds) among its details.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpx

from apps.core.errors import InvalidInput, Unavailable
from apps.core.waiting import about_to_act
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused
from apps.deployments.dispatchers.addresses import Door, door_from, require_allowed_url
from apps.deployments.dispatchers.answers import FORBIDDEN, NOT_THERE, TOO_MANY, UNAUTHENTICATED, Answer, message_in
from apps.deployments.dispatchers.busy import SHUT, Allowance, allowance_in, is_busy, not_before, when
from apps.deployments.dispatchers.patience import Patience
from apps.deployments.dispatchers.unchanged import KEPT, tag_of

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
MAX_BYTES = 64 * 1024 * 1024
MOST_DECODINGS = 4
MAX_WORDS = 300
"""Characters of another system's own message that are repeated in ours."""
UNKNOWN_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
RENAMED = frozenset({301, 307, 308})
"""How GitHub and GitLab answer for the old name of a repository or project."""


class Client:
    """Requests to one connection; use as a context manager. Paths are appended to its URL. No redirect is followed but by :meth:`follow`.

    ``is_counted``: the other system counts what is asked, so nothing is asked of it in vain (``unchanged``, ``busy``). Then
    ``allowance`` is what it told last of how much is left.
    """

    def __init__(
        self,
        outside: Outside | None,
        headers: Mapping[str, str] | None = None,
        *,
        auth: Any = None,
        is_counted: bool = False,
    ) -> None:
        if outside is None:
            raise Unavailable("no_connection", "This run has no connection.")
        require_allowed_url(outside.url)
        self.outside = outside
        self.allowance: Allowance | None = None
        self._account = _account_of(outside) if is_counted else ""
        self._patience = Patience(Door(), _sent_to(outside.url))
        try:
            self._client = httpx.Client(
                headers={"User-Agent": "gitops-portal", **(headers or {})},
                timeout=TIMEOUT,
                follow_redirects=False,
                verify=_trust(outside),
                auth=auth,
            )
        except UnicodeError as problem:
            message = f"A secret of {outside.name} has characters that no request can carry. An administrator enters it again."
            raise Refused("bad_secret", message) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def read(self, path: str, *, allow: tuple[int, ...] = (), most: int = 0, **options: Any) -> Answer:
        """GET; any failure is :class:`Unavailable`, except the statuses in ``allow``, which are answers too.

        With ``most`` only that many bytes of the body are read, and a longer one is cut there.
        """
        try:
            answer = self._exchange("GET", path, options, most) if most else self._asked_anew(path, options)
        except httpx.HTTPError as problem:
            raise self._silent(problem) from problem
        if answer.status < 300 or (answer.status in allow and not is_busy(answer)):
            return answer
        raise Unavailable("outside_refused", self._words(answer), **when(answer))

    def ask_first(self, path: str, *, nothing_at: int = 0, **options: Any) -> Any:
        """GET before anything was asked for; the JSON that answers, ``None`` for the status ``nothing_at``.

        Another 4xx is :class:`Refused` (the start would be refused as well), all else :class:`NotSent`.
        """
        try:
            answer = self._exchange("GET", path, options)
            if answer.status == nothing_at:
                return None
            if answer.status < 300:
                return answer.json()
        except httpx.HTTPError as problem:
            raise NotSent("outside_silent", self._silent(problem).message) from problem
        except Refused:
            raise
        except Unavailable as problem:
            raise NotSent(problem.code, problem.message, **problem.details) from problem
        kind = Refused if answer.status < 500 and not is_busy(answer) else NotSent
        raise kind("outside_refused", self._words(answer), **when(answer))

    def follow(self, answer: Answer, *, most: int) -> Answer:
        """What a redirect leads to, asked without our headers and credentials; at most ``most`` bytes of it.

        It may lead only where a connection may, to ``https``, never to a link-local address; and to an internal one only from
        a system that is internal itself: what is found there stands in a log that others read.
        """
        try:
            where = httpx.URL(self.outside.url).join(answer.headers.get("location", ""))
            require_allowed_url(str(where.copy_with(query=None, fragment=None)))
            door = door_from(urlsplit(self.outside.url).hostname or "", where.host)
            patience = Patience(door, _sent_to(str(where)))
            patience.begin()
            with (
                httpx.Client(timeout=TIMEOUT, verify=_trust(self.outside)) as client,
                client.stream("GET", where, extensions=patience.extensions) as response,
            ):
                found = _whole(response, most)
        except InvalidInput as problem:
            raise Unavailable(
                "bad_redirect", f"{self._who()} keeps this where it is not read: {problem.message}"
            ) from problem
        except (httpx.InvalidURL, UnicodeError) as problem:
            raise Unavailable("bad_redirect", f"{self._who()} leads to something that is no address.") from problem
        except httpx.HTTPError as problem:
            raise self._silent(problem) from problem
        if found.status < 300:
            return found
        raise Unavailable("outside_refused", f"Where {self._who()} keeps this, {where.host} answered {found.status}.")

    def require_shown(self, path: str, what: str, **options: Any) -> None:
        """Where a run is not shown: :class:`Unavailable` when ``what`` it is in is not shown either.

        Then the account of the connection sees nothing there any more, which says nothing about the run.
        """
        if self.read(path, allow=(NOT_THERE,), **options).status == NOT_THERE:
            text = (
                f"{self._who()} shows the connection {what} no more, and with it no run. "
                "An administrator gives its account the rights again."
            )
            raise Unavailable("outside_refused", text)

    def look(self, path: str, **options: Any) -> Answer:
        """GET whatever the status is; :class:`Unavailable` only when there is no answer."""
        try:
            return self._exchange("GET", path, options)
        except httpx.HTTPError as problem:
            raise self._silent(problem) from problem

    def change(self, method: str, path: str, *, allow: tuple[int, ...] = (), **options: Any) -> Answer:
        """A request that changes something there; see the module for how it can fail."""
        about_to_act()
        try:
            answer = self._exchange(method, path, options)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as problem:
            raise NotSent("outside_silent", self._silent(problem).message) from problem
        except httpx.HTTPError as problem:
            raise InDoubt("outside_silent", self._silent(problem).message) from problem
        return self.judge(answer, allow=allow)

    def judge(self, answer: Answer, *, allow: tuple[int, ...] = ()) -> Answer:
        """What an answer to a change means: itself when it is a yes, else the problem that it stands for."""
        if answer.status < 300 or answer.status in allow:
            return answer
        if is_busy(answer):
            raise NotSent("outside_busy", self._words(answer), **when(answer))
        if answer.status < 500:
            raise Refused("outside_refused", self._words(answer))
        raise InDoubt("outside_failed", self._words(answer), **when(answer))

    def _exchange(self, method: str, path: str, options: dict[str, Any], most: int = 0) -> Answer:
        """The answer; :class:`Refused` for a path that leads out of the address of the connection, or is none."""
        if not stays_below(path):
            raise Refused("bad_path", f"A path of portal.yaml leads out of the address of {self.outside.name}.")
        refusal = SHUT.answer_for(self._account) if self._account else None
        if refusal is not None:
            return refusal
        try:
            self._patience.begin()
            where, watched = self.outside.url + path, self._patience.extensions
            with self._client.stream(method, where, extensions=watched, **options) as response:
                answer = _whole(response, most)
        except (httpx.InvalidURL, UnicodeError) as problem:
            message = f"A name or a path in portal.yaml cannot be part of an address at {self.outside.name}."
            raise Refused("bad_path", message) from problem
        if self._account:
            self.allowance = allowance_in(answer)
            SHUT.note(self._account, answer)
        return answer

    def _asked_anew(self, path: str, options: dict[str, Any]) -> Answer:
        """GET; where requests are counted, an answer that we have is sent and counted again only if it is another one now."""
        if not self._account:
            return self._exchange("GET", path, options)
        key = f"{self._account} {path} {sorted((options.get('params') or {}).items())}"
        before = KEPT.get(key)
        headers = {"If-None-Match": tag_of(before)} if before else {}
        return KEPT.settle(key, before, self._exchange("GET", path, {**options, "headers": headers}))

    def _silent(self, problem: httpx.HTTPError) -> Unavailable:
        if _is_unknown_name(problem):
            name = urlsplit(self.outside.url).hostname
            proxy = " (or that of the proxy)" if getproxies().keys() - {"no"} else ""
            text = f"{self.outside.name} cannot be reached: the name {name}{proxy} is not known in DNS."
            return Unavailable("outside_silent", text)
        what = "did not answer in time" if isinstance(problem, httpx.TimeoutException) else "cannot be reached"
        detail = self._clean(_ERRNO.sub("", str(problem))) or type(problem).__name__
        return Unavailable("outside_silent", f"{self._who()} {what} ({detail}).")

    def _words(self, answer: Answer) -> str:
        """What the other system said, in a sentence that names who can do something about it."""
        if 300 <= answer.status < 400:
            return self._words_elsewhere(answer)
        said = self._clean(message_in(answer.body))
        words = {
            UNAUTHENTICATED: "does not accept the credentials of the connection. An administrator enters new ones",
            FORBIDDEN: "does not allow this to the account of the connection. An administrator can widen its rights",
            NOT_THERE: "knows nothing of that name, or hides it from the account of the connection",
            TOO_MANY: "is asked too often",
        }.get(TOO_MANY if is_busy(answer) else answer.status, f"answered {answer.status}")
        return f"{self._who()} {words}." + (f" It says: {said}" if said else "") + not_before(answer)

    def _words_elsewhere(self, answer: Answer) -> str:
        """Hosts of Git lead on from the old name of a project or repository; else it is the address that is another one."""
        with contextlib.suppress(httpx.InvalidURL, UnicodeError):
            own = httpx.URL(self.outside.url)
            where = own.join(answer.headers.get("location", ""))
            is_same = (where.scheme, where.host, where.port) == (own.scheme, own.host, own.port)
            if is_same and answer.status in RENAMED and where != own:
                return (
                    f"{self._who()} leads to {self._clean(where.raw_path.decode().partition('?')[0])} on the same host: what portal.yaml names there was renamed "
                    "or moved. Write its present name under `deploy`. Where nothing was renamed, an administrator looks at the "
                    "path in the address of the connection."
                )
        return f"{self._who()} answers from another address. An administrator enters that address in the connection."

    def _who(self) -> str:
        return f"{self.outside.name} ({urlsplit(self.outside.url).hostname})"

    def _clean(self, text: str) -> str:
        for secret in self.outside.credentials.values():
            if secret:
                text = text.replace(secret, "••••")
        return " ".join(text.split())[:MAX_WORDS]


def _sent_to(url: str) -> str:
    """The host of an address as it is connected to; empty for what is no address, where nothing is."""
    try:
        return httpx.URL(url).raw_host.decode()
    except (httpx.InvalidURL, UnicodeError):
        return ""


def _account_of(outside: Outside) -> str:
    """Who is counted: an address with its credentials, as a digest."""
    return hashlib.sha256(repr((outside.url, sorted(outside.credentials.items()))).encode()).hexdigest()


def _is_unknown_name(problem: BaseException) -> bool:
    """Whether no address was found for a name; libraries wrap that in errors of their own."""
    found: BaseException | None = problem
    while found is not None and not isinstance(found, socket.gaierror):
        found = found.__cause__ or found.__context__
    return isinstance(found, socket.gaierror) and found.errno in UNKNOWN_NAME


def _whole(response: httpx.Response, most: int) -> Answer:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if most and len(body) >= most:
            del body[most:]
            break
        if len(body) > MAX_BYTES:
            raise httpx.DecodingError(f"more than {MAX_BYTES // 1024 // 1024} MB", request=response.request)
    return Answer(response.status_code, bytes(body), dict(response.headers))


def _trust(outside: Outside) -> ssl.SSLContext:
    try:
        return _trust_in(outside.options.get("ca") or "")
    except ssl.SSLError as problem:
        raise Unavailable("bad_ca", f"The certificate authority of {outside.name} cannot be read.") from problem


@lru_cache(maxsize=64)
def _trust_in(authority: str) -> ssl.SSLContext:
    """Read once: it takes tens of milliseconds, and each look at a run needs it. The machine's own are read anew at a start."""
    context = ssl.create_default_context()
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


def stays_below(path: str) -> bool:
    """Whether no part of ``path`` means "up" to anybody who reads it, however often they decode it."""
    text = path.partition("?")[0]
    for _ in range(MOST_DECODINGS):
        if any(part in {".", ".."} for part in text.replace("\\", "/").split("/")):
            return False
        decoded = unquote(text)
        if decoded == text:
            return True
        text = decoded
    return False

"""Secrets become keyed fingerprints before anything is stored (``••••1f3a9c2e4b7d``): equal values stay equal, nothing else is kept.

What counts as secret: the data of a Kubernetes Secret; text under a name that says so (``password``, ``client_secret``,
``API_TOKEN``), also as the value of an environment variable; and text that looks like a key wherever it stands (private
keys in PEM, tokens of known makers, passwords in addresses), and all of that in JSON that stands as text; and what the repository itself calls so. A name that only
*refers* to a secret stays readable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.rendering import embedded
from apps.rendering.model import ABSENT, Json, Resource
from apps.rendering.own_patterns import NO_PATTERNS, OwnPatterns

MARK = "\u2022\u2022\u2022\u2022"
_DIGITS = 12
_NAMES = re.compile(
    r"(?:^|[._-]|(?<=[a-z0-9]))(?:pass(?:word|wd|phrase)|pwd|secret[_-]?key(?:[_-]?base)?|(?:client|jwt|app|signing|session|shared|webhook)[_-]?secret|"
    r"(?:encryption|signing)[_-]?key|(?<=[_-])pass|api[_-]?key|"
    r"access[_-]?key(?![_-]?id)|private[_-]?key|(?:auth|access|bearer|refresh|api|bot|deploy|admin|root)?[_-]?token|"
    r"credentials?|connection[_-]?string|dsn)s?$",
    re.IGNORECASE,
)
_WHOLE_NAMES = re.compile(r"(?i:secrets?|pass|\.?dockerconfigjson|\.?dockercfg|auths)|(?:[A-Z0-9]+_)+(?:SECRETS?|PASS)")
"""Names that say so as a whole; the end of one would be that of too many that only refer to a secret."""
_HOLDERS = frozenset({"secret", "secrets"})
"""Names that hold a secret if their value is a text; a mapping or a list says where it is."""
_ENCODED_KEYS = (
    r"\bLS0tLS1CRUdJTiB(?:QUklWQVRF|SU0EgUFJJVkFURS|FQyBQUklWQVRF|PUEVOU1NIIFBSSVZBVE|FTkNSWVBURUQgUFJJVkFURS|"
    r"EU0EgUFJJVkFURS|QR1AgUFJJVkFURS)[A-Za-z0-9+/=]*"
)
_SHAPES = (
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{30,}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{30,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    r"\bsk_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    r"\bnpm_[A-Za-z0-9]{30,}",
    r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{10,}",
    _ENCODED_KEYS,
    r"(?<==)(?:(?<=[Pp]assword=)|(?<=PASSWORD=)|(?<=[Pp]asswd=)|(?<=[Tt]oken=)|(?<=TOKEN=))[^\s&;,\"'<>(){}$]{3,}",
    r"(?<= )(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*",
    r"(?<=://)[^\s/:@]{0,200}:[^\s/]{1,200}(?=@)",
)
_LOOKS = re.compile("|".join(_SHAPES), re.DOTALL)
_ASSIGNED = re.compile(
    r"^(?P<start>[ \t-]*(?P<name>\w[\w.-]{1,99})[ \t]*[=:][ \t]*)(?P<value>[^\s#${%<&*|>][^\r\n]{2,})", re.MULTILINE
)
"""A line of a file that another resource carries (ini, properties, YAML); a value that begins as a reference does is none."""
_OPTION = re.compile(r"(?P<start>--?(?P<name>\w[\w.-]{1,99})=)(?P<value>[^$].*)", re.DOTALL)
_OPTION_ALONE = re.compile(r"--?(?P<name>\w[\w.-]{1,99})")
"""Arguments of a command; what begins with ``$`` refers to a variable."""
_NO_VALUE = re.compile(r"(?:[-$].*|true|false|)", re.DOTALL)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REFERENCES = ("valueFrom", "secretKeyRef", "secretRef", "configMapKeyRef")
_NAMING = frozenset({"name", "namespace", "key", "kind", "apiVersion", "secretName", "existingSecret"})
"""Keys below a secret name that say where the secret is, not what it is."""


class Fingerprint:
    """Makes fingerprints with a key of this portal, and knows what a repository calls secret beside what everybody does.

    Without the key nobody can try which value a fingerprint belongs to.
    """

    def __init__(self, key: bytes, own: OwnPatterns = NO_PATTERNS) -> None:
        self._key, self.own = key, own

    def __call__(self, value: bytes) -> str:
        return f"{MARK}{hmac.new(self._key, value, hashlib.sha256).hexdigest()[:_DIGITS]}"

    def hides(self, name: str) -> bool:
        """Whether a text under this name is taken for secret."""
        return is_secret_name(name) or self.own.names(name)

    def hides_value(self, name: str, value: Json) -> bool:
        """Whether this value is, under this name."""
        is_holder = isinstance(value, Mapping | list | tuple) and name.lower() in _HOLDERS
        return self.own.names(name) if is_holder else self.hides(name)

    def knowing(self, own: OwnPatterns) -> Fingerprint:
        """The same fingerprints, with the patterns of a repository."""
        return Fingerprint(self._key, own)


def keyed(key: bytes) -> Fingerprint:
    """Fingerprints with this key, for repositories without patterns of their own."""
    return Fingerprint(key)


def redact_raw(resource: Resource, fingerprint: Fingerprint) -> Resource:
    """As :func:`redact`, for a resource that no fingerprint was put into: what looks like one there is none."""
    return redact(replace(resource, body=unmarked(resource.body, fingerprint)), fingerprint)


def redact_raw_value(value: Json, fingerprint: Fingerprint) -> Json:
    """The same with :func:`redact_value`."""
    return redact_value(unmarked(value, fingerprint), fingerprint)


def unmarked(value: Json, fingerprint: Fingerprint) -> Json:
    """The value with brackets around the fingerprint of the mark, wherever the mark stands; other values stay others.

    Fingerprints are shown to everybody who may read a change. Who writes one into a file as it is, as the new value of the
    very secret, would otherwise change it and be shown as having changed nothing.
    """
    if isinstance(value, str):
        return value.replace(MARK, f"[{fingerprint(MARK.encode())}]") if MARK in value else value
    if isinstance(value, Mapping):
        return {unmarked(key, fingerprint): unmarked(item, fingerprint) for key, item in value.items()}
    return [unmarked(item, fingerprint) for item in value] if isinstance(value, list) else value


def redact(resource: Resource, fingerprint: Fingerprint) -> Resource:
    """The resource with every secret replaced. Its identity stays."""
    body = dict(resource.body)
    if resource.id.kind == "Secret" and not resource.id.api:
        body = _secret(body, fingerprint)
    return replace(resource, body=redact_value(body, fingerprint))


def redact_value(value: Json, fingerprint: Fingerprint) -> Json:
    """Any JSON value with what its names or its looks say is secret replaced."""
    return _value(value, fingerprint)


def redact_text(text: str, fingerprint: Fingerprint) -> str:
    """Free text, such as the message of a tool, without what looks like a key, and without words that patterns mean."""
    plain = _LOOKS.sub(lambda found: _once(found.group(), fingerprint), text)
    return fingerprint.own.replaced(plain, lambda word: _once(word, fingerprint))


def is_secret_name(name: str) -> bool:
    """Whether everybody takes a value under this name for secret."""
    return _NAMES.search(name) is not None or _WHOLE_NAMES.fullmatch(name) is not None


def _once(text: str, fingerprint: Fingerprint) -> str:
    return text if text.startswith(MARK) else fingerprint(text.encode("utf-8", "surrogatepass"))


def _value(value: Json, fingerprint: Fingerprint, *, is_secret: bool = False) -> Json:
    if isinstance(value, Mapping):
        if value.get("kind") == "Secret" and value.get("apiVersion") == "v1":
            value = _secret(dict(value), fingerprint)  # one that another resource carries
        return _mapping(value, fingerprint, is_secret=is_secret)
    if isinstance(value, (list, tuple)):
        return [_value(item, fingerprint, is_secret=is_secret) for item in _arguments(value, fingerprint)]
    if isinstance(value, str) and value:
        return _once(value, fingerprint) if is_secret else redact_text(_embedded(value, fingerprint), fingerprint)
    if is_secret and isinstance(value, (int, float)) and not isinstance(value, bool):
        return fingerprint(str(value).encode())
    return value


def _embedded(text: str, fingerprint: Fingerprint) -> str:
    """A text that is JSON, or in which some stands, without the secrets that its names tell."""
    inside = embedded.parsed(text)
    if inside is ABSENT:
        return _assigned(
            embedded.with_pairs(
                text, lambda name, value: _once(value, fingerprint) if value and fingerprint.hides(name) else value
            ),
            fingerprint,
        )
    try:
        hidden = _value(inside, fingerprint)
        return text if hidden == inside else embedded.rewritten(text, inside, hidden)
    except (RecursionError, ValueError):
        return fingerprint(text.encode("utf-8", "surrogatepass"))


def _assigned(text: str, fingerprint: Fingerprint) -> str:
    """A text of several lines without the values that stand behind secret names on lines of their own."""

    def replaced(found: re.Match[str]) -> str:
        hides = fingerprint.hides(found["name"])
        return f"{found['start']}{_once(found['value'], fingerprint)}" if hides else found.group()

    return _ASSIGNED.sub(replaced, text) if "\n" in text else text


def _arguments(items: Sequence[Json], fingerprint: Fingerprint) -> Iterator[Json]:
    """A list without the values of options with secret names: ``["--password", "x"]``, ``["--password=x"]``."""
    follows = False
    for item in items:
        if not isinstance(item, str):
            follows = False
            yield item
            continue
        alone, whole = _OPTION_ALONE.fullmatch(item), _OPTION.fullmatch(item)
        if follows and not _NO_VALUE.fullmatch(item):
            yield _once(item, fingerprint)
        elif whole and fingerprint.hides(whole["name"]):
            yield f"{whole['start']}{_once(whole['value'], fingerprint)}"
        else:
            yield item
        follows = alone is not None and fingerprint.hides(alone["name"])


def _mapping(value: Mapping[str, Any], fingerprint: Fingerprint, *, is_secret: bool) -> dict[str, Any]:
    """Below a secret name everything is secret, except what only says where the secret is."""
    found = {
        _key(key, fingerprint): _value(
            item, fingerprint, is_secret=fingerprint.hides_value(str(key), item) or (is_secret and key not in _NAMING)
        )
        for key, item in value.items()
    }
    name, text = value.get("name"), value.get("value")
    is_variable = isinstance(name, str) and fingerprint.hides(name) and not any(key in value for key in _REFERENCES)
    if is_variable and isinstance(text, str) and text:
        found["value"] = _once(text, fingerprint)
    return found


def _key(key: Any, fingerprint: Fingerprint) -> Any:
    """A name can be what a pattern of the repository means, as in a mapping of tokens to their owners."""
    return fingerprint.own.replaced(key, lambda word: _once(word, fingerprint)) if isinstance(key, str) else key


def _secret(body: dict[str, Any], fingerprint: Fingerprint) -> dict[str, Any]:
    """Equal values have equal fingerprints, whether they stand in ``data`` (base64) or in ``stringData``."""
    if isinstance(body.get("data"), Mapping):
        body["data"] = {key: _hidden(value, _decoded, fingerprint) for key, value in body["data"].items()}
    if isinstance(body.get("stringData"), Mapping):
        body["stringData"] = {key: _hidden(value, _encoded, fingerprint) for key, value in body["stringData"].items()}
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(metadata.get("annotations"), Mapping):
        annotations = dict(metadata["annotations"])
        if _LAST_APPLIED in annotations:
            annotations[_LAST_APPLIED] = _hidden(annotations[_LAST_APPLIED], _encoded, fingerprint)
        body["metadata"] = {**metadata, "annotations": annotations}
    return body


def _hidden(value: Json, read: Callable[[Json], bytes], fingerprint: Fingerprint) -> str:
    """What is a fingerprint already stays; what becomes one only when it is decoded is a value like any other."""
    return value if isinstance(value, str) and value.startswith(MARK) else fingerprint(read(value))


def _encoded(value: Json) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()


def _decoded(value: Json) -> bytes:
    raw = _encoded(value)
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except (binascii.Error, ValueError):
        return raw

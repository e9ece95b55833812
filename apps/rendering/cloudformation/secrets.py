"""Secrets in resolved bodies: what the whole portal takes for secret, and what only CloudFormation names so."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps.rendering.cloudformation.markers import Marker
from apps.rendering.model import Json
from apps.rendering.redaction import MARK, Fingerprint, redact_value

_PROPERTIES = frozenset({"SecretString", "SecretBinary", "PreSharedKey", "SharedSecret", "AuthParameters"})
_NAMED_BY = ("Name", "Key", "OptionName", "ParameterKey", "name", "key")
_VALUES = ("Value", "ParameterValue", "value")
_REFERENCE = re.compile(r"\{\{resolve:(?:ssm|ssm-secure|secretsmanager):[A-Za-z0-9_.:/+=@-]*\}\}")
_MARKER = re.compile(r"\$\{[A-Za-z0-9/]+(?:\.[A-Za-z0-9.]+)?\}")


def hidden(value: Json, fingerprint: Fingerprint) -> Json:
    """The value as plain JSON without secrets. What only refers to one (``!Ref``, ``{{resolve:…}}``) stays readable."""
    return _restored(value, redact_value(_named(value, fingerprint, is_secret=False), fingerprint))


def _named(value: Json, fingerprint: Fingerprint, *, is_secret: bool) -> Json:
    if isinstance(value, list):
        return [_named(each, fingerprint, is_secret=is_secret) for each in value]
    if isinstance(value, Mapping):
        name = next((value[key] for key in _NAMED_BY if isinstance(value.get(key), str)), "")
        secret_value = fingerprint.hides(name)
        return {
            key: _named(
                each, fingerprint, is_secret=is_secret or key in _PROPERTIES or (secret_value and key in _VALUES)
            )
            for key, each in value.items()
        }
    if not is_secret or isinstance(value, bool) or value in (None, "") or _refers(value):
        return value
    text = str(value)
    return text if text.startswith(MARK) else fingerprint(text.encode("utf-8", "surrogatepass"))


def _refers(value: Json) -> bool:
    if isinstance(value, Marker) and _MARKER.fullmatch(value):
        return True
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _restored(value: Json, without: Json) -> Json:
    if isinstance(value, Mapping) and isinstance(without, Mapping):
        pairs = zip(value.values(), without.items(), strict=True)  # names can be fingerprints by now; their order stays
        return {str(key): _restored(old, each) for old, (key, each) in pairs}
    if isinstance(value, list) and isinstance(without, list):
        return [_restored(each, other) for each, other in zip(value, without, strict=True)]
    if _refers(value):
        return str(value)
    return str(without) if isinstance(without, Marker) else without

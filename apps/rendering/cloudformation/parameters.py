"""The values of parameters: files in their usual shapes, defaults, and secrets that become fingerprints at once."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.cloudformation.markers import Marker, marker
from apps.rendering.cloudformation.problems import placed, problem, shown
from apps.rendering.cloudformation.templates import Template, read_document
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.redaction import MARK, Fingerprint

PREVIOUS = marker("Fn::Previous")
"""Stands for a value that the stack keeps from its last update (``UsePreviousValue``)."""

_SHAPE = "The parameters must be a list of ParameterKey and ParameterValue, a mapping, or a mapping named Parameters."


def read_parameters(data: bytes, path: str) -> dict[str, Json]:
    """The parameters of a file. No message holds any text of it, as values may be secret."""
    try:
        value = read_document(data, path)
    except RenderError as error:
        text = f"{path}, line {error.line}: " if error.line else f"{path}: "
        text += "this cannot be read as parameters (broken, a key twice, a tag, or too much)."
        raise RenderError(error.failure, text, path=path, line=error.line) from None
    with placed(path, 0, "parameters"):
        return parameters_of(value)


def parameters_of(value: Json) -> dict[str, Json]:
    if isinstance(value, Mapping) and isinstance(value.get("Parameters"), Mapping | list):
        value = value["Parameters"]
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return _plain(value)
    if not isinstance(value, list):
        raise problem(_SHAPE)
    found: dict[str, Json] = {}
    for each in value:
        key, content = _entry(each)
        if key in found:
            raise problem(f"The parameter {shown(key)} is given twice.", Failure.REFUSED)
        found[key] = content
    return found


def _plain(value: Mapping[str, Json]) -> dict[str, Json]:
    if any(isinstance(each, Mapping) or each is None for each in value.values()):
        raise problem(_SHAPE)
    return {key: _checked(each) for key, each in value.items()}


def _entry(each: Json) -> tuple[str, Json]:
    if isinstance(each, str) and "=" in each:
        name, _, text = each.partition("=")
        return name, _checked(text)
    if not isinstance(each, Mapping) or not isinstance(each.get("ParameterKey"), str):
        raise problem(_SHAPE)
    key = each["ParameterKey"]
    if each.get("UsePreviousValue") is True:
        return key, PREVIOUS
    content = each.get("ParameterValue")
    if content is None or isinstance(content, Mapping):
        raise problem(f"The parameter {shown(key)} has no ParameterValue.")
    return key, _checked(content)


def _checked(value: Json) -> Json:
    if MARK in str(value):
        raise problem("A value holds the mark of fingerprints; it would be read as one.", Failure.REFUSED)
    return value


def parameter_values(template: Template, given: Mapping[str, Json], fingerprint: Fingerprint) -> dict[str, Json]:
    """Each parameter as text or a list of texts. ``given`` of a nested stack may hold markers.

    Raises ``MISSING_INPUT`` for a parameter that has no value.
    """
    found: dict[str, Json] = {}
    for name, declared in template.parameters.items():
        with placed(template.path, template.line("Parameters", name), f"parameter {name}"):
            found[name] = _value(name, declared, given, fingerprint)
    return found


def _value(name: str, declared: Mapping[str, Json], given: Mapping[str, Json], fingerprint: Fingerprint) -> Json:
    value = given[name] if name in given else _checked(declared.get("Default"))
    if value is None:
        raise problem(f"The parameter {name} has no value and no default.", Failure.MISSING_INPUT)
    if value is PREVIOUS:
        return marker(f"Fn::Previous {name}")
    if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(i, Mapping | list) for i in value)):
        raise problem(f"The value of the parameter {name} must be text or a list of texts.")
    _check_allowed(name, declared, value)
    kind = declared["Type"]
    is_stored = kind.startswith("AWS::SSM::Parameter::Value<")
    is_list = not is_stored and (kind == "CommaDelimitedList" or kind.startswith("List<"))
    plain = _listed(value) if is_list else _text(value)
    if is_secret(name, declared, fingerprint):
        plain = _hidden(plain, fingerprint)
    return marker(f"SSM::{plain}") if is_stored else plain


def is_secret(name: str, declared: Mapping[str, Json], fingerprint: Fingerprint) -> bool:
    return str(declared.get("NoEcho", False)).lower() == "true" or fingerprint.hides(name)


def _check_allowed(name: str, declared: Mapping[str, Json], value: Json) -> None:
    """As far as the value is known; the message does not hold it."""
    allowed = declared.get("AllowedValues")
    texts = value if isinstance(value, list) else _text(value).split(",") if "List" in declared["Type"] else [value]
    if not isinstance(allowed, list) or any(isinstance(each, Marker) or MARK in str(each) for each in texts):
        return
    known = {_text(each) for each in allowed}
    if any(_text(each).strip() not in known and _text(each) not in known for each in texts):
        raise problem(f"The value of the parameter {name} is not one of its AllowedValues.")


def _listed(value: Json) -> Json:
    if isinstance(value, list):
        return [_text(each) for each in value]
    text = _text(value)
    return text if isinstance(text, Marker) else [each.strip() for each in text.split(",")]


def _text(value: Json) -> str:
    if isinstance(value, list):
        texts = [_text(each) for each in value]
        joined = ",".join(texts)
        return Marker(joined) if any(isinstance(each, Marker) for each in texts) else joined
    if isinstance(value, str):
        return value
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _hidden(value: Json, fingerprint: Fingerprint) -> Json:
    """An empty value is none. What is a marker, or was hidden by the stack around, stays."""
    if isinstance(value, list):
        return [_hidden(each, fingerprint) for each in value]
    if not value or isinstance(value, Marker) or value.startswith(MARK):
        return value
    return fingerprint(value.encode("utf-8", "surrogatepass"))

"""What an account is asked when it shall say what a change does to a stack. Pure: nobody is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apps.rendering import options
from apps.rendering.cloudformation.parameters import PREVIOUS, is_secret, parameters_of, read_parameters
from apps.rendering.cloudformation.problems import problem
from apps.rendering.cloudformation.stacks import is_remote
from apps.rendering.cloudformation.templates import read_document
from apps.rendering.export import read_file
from apps.rendering.model import Failure, Json
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint

LONGEST_TEMPLATE = 51_200
"""Bytes that the API takes of a template that is not in a bucket."""
_NESTED = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, slots=True)
class StackRequest:
    """``parameters`` as the API takes them; ``secrets``: the values that must not be shown or kept."""

    stack: str
    template: str
    parameters: tuple[Mapping[str, Json], ...] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)


def stack_request(tree: Tree, target: Target, fingerprint: Fingerprint) -> StackRequest:
    """Raises for a template or parameters that cannot be sent as they are."""
    stack, path = options.text(target, "stack"), options.path(target, "template")
    if not stack:
        raise problem(f"The target {target.name} names no stack, so no account can be asked.", Failure.MISSING_INPUT)
    data = read_file(tree, path)
    if len(data) > LONGEST_TEMPLATE:
        text = f"{path} has more than {LONGEST_TEMPLATE:,} bytes, which the API takes only from a bucket."
        raise problem(text, Failure.TOO_LARGE)
    document = read_document(data, path)
    if not isinstance(document, Mapping):
        raise problem(f"{path} is no CloudFormation template.")
    _check_nested(document)
    given = _given(tree, target)
    declared = document.get("Parameters")
    secrets = set(_secrets(declared if isinstance(declared, Mapping) else {}, given, fingerprint))
    return StackRequest(stack, data.decode("utf-8", "replace"), tuple(_parameters(given)), frozenset(secrets))


def _check_nested(document: Mapping[str, Json]) -> None:
    resources = document.get("Resources")
    for name, body in (resources if isinstance(resources, Mapping) else {}).items():
        properties = body.get("Properties") if isinstance(body, Mapping) and body.get("Type") == _NESTED else None
        url = properties.get("TemplateURL") if isinstance(properties, Mapping) else None
        if isinstance(url, str) and not is_remote(url):
            text = (
                f"The nested stack {name} has its template in the repository; the account reads one only from a bucket."
            )
            raise problem(text, Failure.UNSUPPORTED)


def _given(tree: Tree, target: Target) -> Mapping[str, Json]:
    given = target.options.get("parameters")
    if not isinstance(given, str):
        return parameters_of(given) if given else {}
    path = options.path(target, "parameters")
    return read_parameters(read_file(tree, path), path)


def _parameters(given: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    for name, value in given.items():
        if value is PREVIOUS:
            yield {"ParameterKey": name, "UsePreviousValue": True}
        else:
            yield {"ParameterKey": name, "ParameterValue": _text(value)}


def _secrets(declared: Mapping[str, Json], given: Mapping[str, Json], fingerprint: Fingerprint) -> Iterator[str]:
    """Also the defaults of parameters that nobody may see."""
    for name, body in declared.items():
        if isinstance(body, Mapping) and is_secret(name, body, fingerprint):
            for value in (given.get(name), body.get("Default")):
                if value not in (None, "") and value is not PREVIOUS:
                    yield _text(value)


def _text(value: Json) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

"""The functions of templates. Each gets what it was written with, and resolves of it what it needs."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from apps.rendering.cloudformation.markers import Marker, inner, is_known, marker
from apps.rendering.cloudformation.problems import problem, shown
from apps.rendering.cloudformation.values import NOTHING, joined, text_of
from apps.rendering.model import Failure, Json

if TYPE_CHECKING:
    from apps.rendering.cloudformation.scopes import Scope

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_MAX_NETWORKS = 256


def _arguments(content: Json, name: str, *counts: int) -> list[Json]:
    if not isinstance(content, list) or len(content) not in counts:
        wanted = " or ".join(map(str, counts))
        raise problem(f"{name} wants a list of {wanted}.")
    return content


def _text(scope: Scope, value: Json, name: str) -> str:
    return text_of(scope.resolve(value), name)


def _ref(scope: Scope, content: Json) -> Json:
    if not isinstance(content, str):
        raise problem("Ref wants the name of a parameter or a resource.")
    return scope.reference(content)


def _attribute(scope: Scope, content: Json) -> Json:
    parts = content.split(".", 1) if isinstance(content, str) else _arguments(content, "Fn::GetAtt", 2)
    if len(parts) != 2 or not isinstance(parts[0], str):
        raise problem("Fn::GetAtt wants a resource and an attribute.")
    return marker(f"{scope.resource(parts[0])}.{inner(_text(scope, parts[1], 'Fn::GetAtt'))}")


def _sub(scope: Scope, content: Json) -> Json:
    template, variables = content, {}
    if isinstance(content, list):
        template, variables = _arguments(content, "Fn::Sub", 2)
    if not isinstance(template, str) or not isinstance(variables, Mapping):
        raise problem("Fn::Sub wants a text, or a text and a mapping.")
    known = {name: _text(scope, value, "Fn::Sub") for name, value in variables.items()}
    parts: list[str] = []
    at = 0
    for found in _VARIABLE.finditer(template):
        name = found.group(1).strip()
        if name.startswith("!"):
            parts.append(scope.literal(f"{template[at : found.start()]}${{{name[1:]}}}"))
        else:
            parts += [
                scope.literal(template[at : found.start()]),
                known[name] if name in known else _variable(scope, name),
            ]
        at = found.end()
    return joined([*parts, scope.literal(template[at:])], "", scope.around.spending)


def _variable(scope: Scope, name: str) -> str:
    if "." in name:
        return text_of(_attribute(scope, name), "Fn::Sub")
    value = scope.reference(name)
    return "" if value is NOTHING else text_of(value, f"${{{shown(name)}}} of Fn::Sub")


def _join(scope: Scope, content: Json) -> Json:
    delimiter, values = _arguments(content, "Fn::Join", 2)
    if not isinstance(delimiter, str):
        raise problem("Fn::Join wants a text between the values.")
    found = scope.resolve(values)
    if isinstance(found, Marker):
        return marker("Fn::Join", json.dumps(delimiter), inner(found))
    if not isinstance(found, list):
        raise problem("Fn::Join wants a list of values.")
    return joined([text_of(each, "Fn::Join") for each in found], scope.literal(delimiter), scope.around.spending)


def _split(scope: Scope, content: Json) -> Json:
    delimiter, source = _arguments(content, "Fn::Split", 2)
    if not isinstance(delimiter, str) or not delimiter:
        raise problem("Fn::Split wants a text to split at.")
    text = _text(scope, source, "Fn::Split")
    if not is_known(text):
        return marker("Fn::Split", json.dumps(delimiter), inner(text))
    parts = text.split(delimiter)
    scope.around.spending.spend(len(parts))
    return parts


def _select(scope: Scope, content: Json) -> Json:
    at, values = _arguments(content, "Fn::Select", 2)
    index, found = _text(scope, at, "Fn::Select"), scope.resolve(values)
    if isinstance(index, Marker) or isinstance(found, Marker):
        return marker("Fn::Select", inner(index), inner(found))
    if not isinstance(found, list):
        raise problem("Fn::Select wants a list of values.")
    if not index.isascii() or not index.isdigit() or len(index) > 9 or int(index) >= len(found):
        raise problem(f"Fn::Select wants element {shown(index)} of a list of {len(found)}.")
    return found[int(index)]


def _find_in_map(scope: Scope, content: Json) -> Json:
    if isinstance(content, list) and len(content) == 4:
        raise problem("Fn::FindInMap with a default needs a macro, which only AWS can run.", Failure.UNSUPPORTED)
    words = [_text(scope, each, "Fn::FindInMap") for each in _arguments(content, "Fn::FindInMap", 3)]
    if not all(map(is_known, words)):
        return marker("Fn::FindInMap", *map(inner, words))
    return scope.found_in(*words)


def _if(scope: Scope, content: Json) -> Json:
    name, then, otherwise = _arguments(content, "Fn::If", 3)
    return scope.resolve(then if scope.conditions.holds(name) else otherwise)


def _base64(scope: Scope, content: Json) -> Json:
    """Left readable: nobody reviews the encoded form, and no key would be found in it."""
    return {"Fn::Base64": _text(scope, content, "Fn::Base64")}


def _import(scope: Scope, content: Json) -> Json:
    return marker("Fn::ImportValue", inner(_text(scope, content, "Fn::ImportValue")))


def _zones(scope: Scope, content: Json) -> Json:
    region = _text(scope, "" if content is None else content, "Fn::GetAZs")
    return marker("Fn::GetAZs", inner(region or scope.reference("AWS::Region")))


def _networks(scope: Scope, content: Json) -> Json:
    words = [_text(scope, each, "Fn::Cidr") for each in _arguments(content, "Fn::Cidr", 2, 3)]
    if not all(map(is_known, words)):
        return marker("Fn::Cidr", *map(inner, words))
    try:
        block, count = ipaddress.ip_network(words[0], strict=False), int(words[1])
        bits = int(words[2]) if len(words) == 3 else 8
        if not 1 <= count <= _MAX_NETWORKS:
            raise ValueError(count)
        found = [str(each) for each in islice(block.subnets(new_prefix=block.max_prefixlen - bits), count)]
    except ValueError:
        raise problem("Fn::Cidr wants an address block, a number of blocks and the bits of each.") from None
    if len(found) < count:
        raise problem(f"Fn::Cidr finds no {count} blocks in {shown(words[0])}.")
    return found


def _only_in_conditions(scope: Scope, content: Json) -> Json:
    raise problem("Equals, And, Or and Not stand in conditions only.")


FUNCTIONS: Mapping[str, Callable[[Scope, Json], Json]] = {
    "Ref": _ref,
    "Fn::GetAtt": _attribute,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::Base64": _base64,
    "Fn::ImportValue": _import,
    "Fn::GetAZs": _zones,
    "Fn::Cidr": _networks,
    **dict.fromkeys(("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not"), _only_in_conditions),
}
UNSUPPORTED = frozenset({"Fn::Transform", "Fn::ToJsonString", "Fn::Length"})

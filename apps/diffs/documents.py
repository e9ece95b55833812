"""What a YAML or JSON file declares: the identity of every Kubernetes document and CloudFormation resource in it. Pure.

Read from the events of the parser, without building objects: no tag is obeyed, no alias expanded, and a budget of events
bounds the work (YAML 1.1 as PyYAML reads it). What cannot be told is said as such (:attr:`Declared.unsure`): the caller has
to take it for the worst. Where there are template actions (``{{ … }}``), which YAML may read as something else or not at
all, the lines are searched for kinds and names too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_EVENTS = 200_000
"""Events of one file (a key and its value are two): some 2 MB of usual YAML; above, nothing can be told."""
MAX_DEPTH = 100
"""Levels of one document; the time that libyaml takes grows with the square of the depth."""
RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount"})
_RIGHTS = RBAC_KINDS | {f"{kind}List" for kind in RBAC_KINDS}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KIND_LINE = re.compile(r"""["']?\bkind["']?\s*:\s*["']?([^\s"',}#]*)""")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NAME_LINE = re.compile(r"^metadata:.*?^[ \t]+name[ \t]*:[ \t]*(\S[^\n]*)", re.MULTILINE | re.DOTALL)
_DOCUMENT_END = re.compile(r"^---", re.MULTILINE)
_ACTION = b"{{"
_MERGE = "<<"
_BINARY = "tag:yaml.org,2002:binary"
"""Text in base64, which the reader of Kubernetes decodes."""
_IAM = "AWS::IAM::"


class Pairs(list[tuple[Any, Any]]):
    """A mapping as its pairs, in order and with duplicates: the second ``kind`` of a document hides nothing."""


class Unknown:
    """Stands for an alias, whose text depends on another place, and for text in another form."""


UNKNOWN = Unknown()


class TooMuch(Exception):
    """More events or levels than the budget allows."""


@dataclass(frozen=True, slots=True)
class Declared:
    """``resources`` counts identities such as ``Deployment web``; ``rbac`` names those that give rights.

    ``unsure`` says why something may be declared besides (empty: nothing is).
    """

    resources: Counter[str] = field(default_factory=Counter)
    rbac: tuple[str, ...] = ()
    unsure: str = ""


def declared(data: bytes, *, is_json: bool = False) -> Declared:
    """What one side of a file declares; never raises for any content."""
    try:
        documents = [json.loads(data, object_pairs_hook=Pairs)] if is_json else list(_documents(data))
    except TooMuch:
        return Declared(unsure="it is too large to be examined")
    except (yaml.YAMLError, ValueError, RecursionError):
        return _by_lines(data)
    found = _collect(documents)
    return found if _ACTION not in data or is_json else _joined(found, _by_lines(data))


def _joined(one: Declared, other: Declared) -> Declared:
    rbac = tuple(sorted({*one.rbac, *other.rbac}))
    return Declared(one.resources | other.resources, rbac, one.unsure or other.unsure)


def _collect(documents: Iterable[Any]) -> Declared:
    resources: Counter[str] = Counter()
    rbac: list[str] = []
    unsure = ""
    waiting = list(documents)
    while waiting:
        document = waiting.pop()
        if not isinstance(document, Pairs):
            continue
        if _depends(document):
            unsure = "its documents depend on anchors or on encoded text"
        kinds = _texts(document, "kind")
        # Whatever has items is a list for those who apply it; the pairs of a mapping are none.
        waiting += [item for items in _values(document, "items") if isinstance(items, list) for item in items]
        for identity, gives_rights in (*_kubernetes(document, kinds), *_cloudformation(document)):
            resources[identity] += 1
            if gives_rights:
                rbac.append(identity)
    return Declared(resources, tuple(sorted(set(rbac))), unsure)


def _depends(document: Pairs) -> bool:
    """Whether kind or name may come from an alias or a merge key."""
    named = [value for key in ("kind", "metadata", "items", "Resources") for value in _values(document, key)]
    merged = any(key == _MERGE or isinstance(key, Unknown) for key, _ in document)
    return merged or any(isinstance(value, Unknown) for value in named)


def _kubernetes(document: Pairs, kinds: list[str]) -> Iterator[tuple[str, bool]]:
    if not kinds or not _values(document, "apiVersion"):
        return
    metadata = Pairs(pair for found in _values(document, "metadata") if isinstance(found, Pairs) for pair in found)
    version = "".join(_texts(document, "apiVersion")[-1:])
    group = version.rpartition("/")[0]
    name = "".join((_texts(metadata, "name") or _texts(metadata, "generateName"))[-1:]) or "without a name"
    space = "".join(f"{found}/" for found in _texts(metadata, "namespace")[-1:])
    for kind in dict.fromkeys(kinds):
        if kind != "List":
            shown = f"{kind}.{group}" if group and group not in {"apps", "batch"} and kind not in RBAC_KINDS else kind
            yield f"{shown} {space}{name}", kind in _RIGHTS


def _cloudformation(document: Pairs) -> Iterator[tuple[str, bool]]:
    for found in _values(document, "Resources"):
        for name, body in found if isinstance(found, Pairs) else ():
            types = _texts(body, "Type") if isinstance(body, Pairs) else []
            if types:
                yield f"{types[-1]} {name}", any(kind.startswith(_IAM) or kind.endswith("Policy") for kind in types)


def _values(document: Pairs, name: str) -> list[Any]:
    return [value for key, value in document if key == name]


def _texts(document: Pairs, name: str) -> list[str]:
    return [value for value in _values(document, name) if isinstance(value, str)]


def _documents(data: bytes) -> Iterator[Any]:
    """Each document as :class:`Pairs`, lists and strings; built without recursion."""
    stack: list[list[Any]] = []
    root: list[Any] = []
    for count, event in enumerate(yaml.parse(data, Loader=_LOADER)):
        if count > MAX_EVENTS or len(stack) > MAX_DEPTH:
            raise TooMuch
        if isinstance(event, yaml.DocumentStartEvent):
            root = []
            stack = [root]
        elif isinstance(event, yaml.DocumentEndEvent):
            yield from root
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append([event])
        elif isinstance(event, yaml.CollectionEndEvent):
            start, *items = stack.pop()
            pairs = isinstance(start, yaml.MappingStartEvent)
            stack[-1].append(Pairs(zip(items[::2], items[1::2], strict=True)) if pairs else items)
        elif isinstance(event, yaml.NodeEvent):
            stack[-1].append(_text(event))


def _text(event: yaml.NodeEvent) -> Any:
    return event.value if isinstance(event, yaml.ScalarEvent) and event.tag != _BINARY else UNKNOWN


def _by_lines(data: bytes) -> Declared:
    """For templates and broken files: kinds as they stand in the lines; a document without one could be anything."""
    text = data.decode("utf-8", "replace")
    resources: Counter[str] = Counter()
    rbac: set[str] = set()
    unsure = "" if "{{" in text else "it cannot be read as YAML"
    for part in _DOCUMENT_END.split(text):
        kinds = _KIND_LINE.findall(part)
        name = _NAME_LINE.search(part)
        for kind in kinds:
            identity = f"{kind} {name[1].strip()}" if name else kind
            if _NAME.fullmatch(kind):
                resources[identity] += 1
            if kind in _RIGHTS:
                rbac.add(identity)
        if "{{" in part and (not kinds or any(not _NAME.fullmatch(kind) for kind in kinds)):
            unsure = "what its templates make cannot be told before they are rendered"
    return Declared(resources, tuple(sorted(rbac)), unsure)

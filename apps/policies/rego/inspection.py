"""What modules read, call and define, from their syntax trees. Runs in the process of :mod:`~apps.policies.rego.child`.

Rego is silent where something is undefined: a misspelt field of ``input``, a call of a function that the library only pretends
to have, or a ``deny`` that nobody asks for would never deny anything. So what can be told before is an error here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from apps.policies.rego.builtins import PERMITTED, REFUSED

INPUT: dict[str, tuple[str, ...]] = {
    "environment": (),
    "now": (),
    "change": ("number", "title", "author", "kind", "target_branch"),
    "size": ("files", "lines"),
    "paths": (),
    "environments": (),
    "resources": (),
    "contributors": (),
}
"""Fields of ``input``, and the fields of those that are objects."""
PACKAGES = {"data.portal.merge": "merge", "data.portal.deploy": "deploy"}
ASKED = ("deny", "require", "warn")
_MOST_PROBLEMS = 50
Place = tuple[int, int]
Chain = tuple[str, list[str], bool, Place]
"""Root, what follows it, whether that is all that was written, and where."""


class Inspection:
    """Collects problems over all modules."""

    def __init__(self, modules: list[dict[str, Any]]) -> None:
        self.problems: list[dict[str, str | int]] = []
        self.reads: set[str] = set()
        self.places: dict[str, list[str | int]] = {}
        self.modules = [_Module(module) for module in modules]
        self.defined: dict[str, dict[str, str]] = {}
        for module in self.modules:
            self.defined.setdefault(module.package, {}).update(module.rules)

    def run(self) -> dict[str, Any]:
        for module in self.modules:
            self._package(module)
            self._heads(module)
            for chain, is_call in module.references():
                self._reference(module, chain, is_call=is_call)
        return {"problems": self.problems[:_MOST_PROBLEMS], "reads": sorted(self.reads), "places": self.places}

    def _problem(self, module: _Module, place: Place, message: str, fix: str) -> None:
        self.problems.append(
            {"file": module.file, "line": place[0], "column": place[1], "message": message, "fix": fix}
        )

    def _package(self, module: _Module) -> None:
        name = module.package.removeprefix("data.")
        if name.split(".")[0] == "portal" and module.package not in PACKAGES:
            self._problem(
                module, module.place, f"Nobody asks the package `{name}`.", "Write `portal.merge` or `portal.deploy`."
            )

    def _heads(self, module: _Module) -> None:
        stage = PACKAGES.get(module.package)
        for name, kind, place in module.heads:
            if name not in ASKED:
                continue
            if stage is None:
                text = f"`{name}` is asked for in the packages portal.merge and portal.deploy only."
                self._problem(module, place, text, "Move it there, or give it another name.")
            elif kind != "Set":
                text = f"`{name}` must be a set to which rules add."
                self._problem(module, place, text, f'Write `{name} contains "…" if {{ … }}`.')
            else:
                self.places.setdefault(f"{stage}.{name}", [module.file, place[0]])

    def _reference(self, module: _Module, chain: Chain, *, is_call: bool) -> None:
        root, rest, is_whole, place = chain
        written = ".".join([root, *rest])
        imported = module.aliases.get(root)
        if imported is not None:
            root, rest = imported[0], [*imported[1:], *rest]
        name = ".".join([root, *rest])
        if written in REFUSED:  # also of an import with such a name: which of the two the library takes is its affair
            self._problem(module, place, f"`{written}` is refused.", REFUSED[written])
        elif root == "input":
            self._input(module, rest, place)
        elif root == "data":
            self._data(module, name, place, is_whole=is_whole)
        elif (
            is_call
            and name not in PERMITTED
            and module.rules.get(name, self.defined[module.package].get(name)) != "Func"
        ):
            text = f"There is no function `{name}`."
            self._problem(module, place, text, "docs/gates.md says which functions of Rego there are.")

    def _input(self, module: _Module, rest: list[str], place: Place) -> None:
        if not rest:
            self.reads |= set(INPUT)
            return
        first, inner = rest[0], rest[1:2]
        if first not in INPUT:
            self._problem(module, place, f"`input.{first}` does not exist.", f"Known here: {', '.join(INPUT)}.")
            return
        self.reads.add(first)
        if INPUT[first] and inner and inner[0] not in INPUT[first]:
            known = ", ".join(INPUT[first])
            self._problem(module, place, f"`input.{first}.{inner[0]}` does not exist.", f"Known here: {known}.")

    def _data(self, module: _Module, name: str, place: Place, *, is_whole: bool) -> None:
        for package, rules in self.defined.items():
            if package == name or (package.startswith(f"{name}.") and is_whole):
                return
            if name.startswith(f"{package}.") and name.removeprefix(f"{package}.").split(".")[0] in rules:
                return
        self._problem(module, place, f"Nothing here is named `{name}`.", "There is no data but what modules define.")


class _Module:
    def __init__(self, module: dict[str, Any]) -> None:
        tree = module["ast"]
        self.file: str = module["source"]["file"]
        self.tree = tree
        root, rest, _, self.place = _chain(tree["package"]["refr"])
        self.package = ".".join(["data", root, *rest])
        self.heads = list(_heads(tree["rules"]))
        self.rules = {name: kind for name, kind, _ in self.heads}
        self.aliases = dict(_aliases(module["source"]["contents"], tree["imports"]))

    def references(self) -> Iterator[tuple[Chain, bool]]:
        for one in self.tree["imports"]:
            chain = _chain(one["refr"])
            if chain[0] in ("data", "input"):
                yield chain, False
        for rule in self.tree["rules"]:
            yield from _references(rule)


def _aliases(text: str, imports: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """What each import is called, and what it stands for. Spans count bytes of the text."""
    data = text.encode()
    for one in imports:
        root, rest, _, _ = _chain(one["refr"])
        alias = one.get("as")
        name = data[alias["start"] : alias["end"]].decode() if alias else [root, *rest][-1]
        if root in ("data", "input"):
            yield name, [root, *rest]


def _heads(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str, Place]]:
    for rule in rules:
        if "Default" in rule:
            kind, head = "Default", rule["Default"]
        else:
            ((kind, head),) = rule["Spec"]["head"].items()
        root, rest, is_whole, place = _chain(head["refr"])
        yield root, kind if is_whole and not rest else "Compr", place


def _references(node: Any) -> Iterator[tuple[Chain, bool]]:
    """Every variable and every way of fields that begins with one, the longest; functions that are called, too."""
    waiting: list[tuple[Any, bool]] = [(node, False)]
    while waiting:
        found, is_call = waiting.pop()
        if isinstance(found, list):
            waiting += [(one, False) for one in found]
        elif isinstance(found, dict):
            kind = next(iter(found), "")
            if kind in ("Var", "RefDot", "RefBrack") and len(found) == 1:
                yield _chain(found), is_call
                waiting += [(index, False) for index in _inside(found)]
            elif kind == "Call" and len(found) == 1:
                waiting += [(found["Call"]["fcn"], True), (found["Call"]["params"], False)]
            else:
                waiting += [(one, False) for one in found.values()]


def _chain(node: dict[str, Any]) -> Chain:
    """A way of fields from its variable on, as far as its names are written down."""
    fields: list[str | None] = []
    while "Var" not in node:
        ((kind, found),) = node.items()
        if kind == "RefDot":
            fields.append(found["field"][1])
        elif kind == "RefBrack":
            fields.append(found["index"]["String"]["value"] if "String" in found["index"] else None)
        else:
            return "", [], False, _place(found)
        node = found["refr"]
    fields.reverse()
    names = fields[: fields.index(None)] if None in fields else fields
    root = node["Var"]
    return root["value"], [str(name) for name in names], len(names) == len(fields), _place(root)


def _place(found: dict[str, Any]) -> Place:
    span = found.get("span") or {}
    return span.get("line", 0), span.get("col", 0)


def _inside(node: dict[str, Any]) -> Iterator[Any]:
    """What stands in the brackets of a way, and what it begins with where that is no variable."""
    while "Var" not in node:
        ((kind, found),) = node.items()
        if kind not in ("RefDot", "RefBrack"):
            yield node
            return
        if kind == "RefBrack":
            yield found["index"]
        node = found["refr"]


def inspected(engine: Any) -> str:
    """As JSON: problems, which fields of ``input`` are read, and where what is asked for is defined."""
    found = Inspection(json.loads(engine.get_ast_as_json())).run()
    if not found["problems"]:
        engine.eval_query_as_json("true")  # the library looks at every rule before it evaluates anything
    return json.dumps(found)

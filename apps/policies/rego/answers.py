"""What modules answer, as the fact that the verdict is told. Any surprise becomes the fact's problem, which holds the change."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from apps.core.text import is_storable
from apps.policies.config import Rule, nodes
from apps.policies.config.needs import NEEDS_KEYS, read_needs
from apps.policies.config.nodes import Mapping, Node, Refused, read_nodes
from apps.policies.config.reader import Reader
from apps.policies.evaluation import CannotEvaluate, Facts, RegoFact, rego_input
from apps.policies.problems import ERROR
from apps.policies.rego.asking import RegoFailed, ask, ask_each
from apps.policies.rego.modules import Modules

MOST_ENTRIES = 100
MOST_TEXT = 500
EXAMPLE = '{"name": "two of network", "approvals": 2, "from": ["team/network"]}'
_MOST_KEPT = 256
_kept: dict[tuple[str, ...], str | RegoFailed] = {}
_lock = threading.Lock()


class _Odd(Exception):
    """The answer has not the shape that is asked for; the message says where."""


def answer(modules: Modules, facts: Facts) -> RegoFact:
    """What ``modules`` say of the gate that ``facts`` are about. Equal input gives an equal answer; never raises."""
    return answer_and_worth(modules, facts)[0]


def answer_and_worth(modules: Modules, facts: Facts) -> tuple[RegoFact, bool]:
    """The answer, and whether the same facts would get it again: also a module's own failure is one.

    False: a fact is not known, or this server could not ask at this moment.
    """
    digest = modules.digest
    names = modules.asked(facts.stage)
    if modules.places is None:
        words = next((found.problem.message for found in modules.problems), "the modules were not checked")
        return RegoFact(digest, problem=words.rstrip(".")), False
    if not names:
        return RegoFact(digest), True
    named = ""
    try:
        given = _given(facts, modules)
        named = hashlib.sha256(given.encode()).hexdigest()
        said = _asked(digest, modules.texts, _full(names, facts.stage), given, named)
        return _read(modules, facts.stage, digest, named, said), True
    except (CannotEvaluate, RegoFailed, _Odd) as problem:
        is_theirs = isinstance(problem, _Odd) or (isinstance(problem, RegoFailed) and problem.is_theirs)
        return RegoFact(digest, named, problem=str(problem)), is_theirs


def ask_ahead(modules: Modules, stage: str, some: Sequence[Facts]) -> None:
    """Ask about all of ``some`` in one process, so that :func:`answer` finds what was said.

    Whatever goes wrong here goes wrong for all of them and says nothing: :func:`answer` asks for each alone.
    """
    names, digest = modules.asked(stage), modules.digest
    if modules.places is None or not names:
        return
    rules, wanted = _full(names, stage), {}
    for facts in some:
        with suppress(CannotEvaluate, _Odd):
            given = _given(facts, modules)
            wanted[digest, *rules, hashlib.sha256(given.encode()).hexdigest()] = given
    with _lock:
        wanted = {key: given for key, given in wanted.items() if key not in _kept}
    if wanted:
        with suppress(RegoFailed):
            _keep(dict(zip(wanted, ask_each(modules.texts, rules, list(wanted.values())), strict=True)))


def _full(names: Sequence[str], stage: str) -> list[str]:
    return [f"data.portal.{stage}.{name}" for name in names]


def _given(facts: Facts, modules: Modules) -> str:
    given = json.dumps(rego_input(facts, modules.reads), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    try:
        given.encode()
    except UnicodeEncodeError:
        raise _Odd("a path of the change is no UTF-8, and Rego knows no other text") from None
    return given


def _asked(modules: str, texts: Sequence[tuple[str, str]], rules: Sequence[str], given: str, named: str) -> str:
    """Kept by content, in this process alone: nobody else can put an answer there. What may be otherwise next time is not kept."""
    key = (modules, *rules, named)
    with _lock:
        found = _kept.get(key)
    if found is None:
        try:
            found = ask(texts, rules, given)
        except RegoFailed as failed:
            if not failed.is_theirs:
                raise
            found = failed
        _keep({key: found})
    if isinstance(found, RegoFailed):
        raise RegoFailed(found.message, is_theirs=True, file=found.file, line=found.line, column=found.column)
    return found


def _keep(found: dict[tuple[str, ...], str] | dict[tuple[str, ...], str | RegoFailed]) -> None:
    with _lock:
        _kept.update(found)
        while len(_kept) > _MOST_KEPT:
            del _kept[next(iter(_kept))]


def _read(modules: Modules, stage: str, digest: str, given: str, said: str) -> RegoFact:
    values: dict[str, Any] = {name.rpartition(".")[2]: value for name, value in json.loads(said).items()}
    for name, value in values.items():
        if not isinstance(value, list):
            raise _Odd(f"`{name}` is no set")
        if len(value) > MOST_ENTRIES:
            raise _Odd(f"`{name}` has {len(value):,} entries; at most {MOST_ENTRIES} are read")
    places = modules.places or {}
    file, line = places.get(f"{stage}.deny", ("", 0))
    return RegoFact(
        digest,
        given,
        _texts("deny", values.get("deny", [])),
        _texts("warn", values.get("warn", [])),
        _rules(values.get("require", []), stage, *places.get(f"{stage}.require", ("", 0))),
        file=file,
        line=line,
    )


def _texts(name: str, entries: list[Any]) -> tuple[str, ...]:
    """Each a text, or an object with nothing but ``msg``."""
    found = []
    for entry in entries:
        text = entry.get("msg") if isinstance(entry, dict) and set(entry) == {"msg"} else entry
        if not isinstance(text, str) or not is_storable(text) or not text.strip() or len(text) > MOST_TEXT:
            raise _Odd(f'an entry of `{name}` is neither a text of 1 to {MOST_TEXT} characters nor {{"msg": "…"}}')
        found.append(" ".join(text.split()))
    return tuple(found)


def _rules(entries: list[Any], stage: str, file: str, line: int) -> tuple[Rule, ...]:
    """The entries of ``require``, read as ``needs`` of a rule of portal.yaml is read, with a ``name``."""
    if not entries:
        return ()
    try:
        root = read_nodes(json.dumps(entries, ensure_ascii=False).encode())
    except (Refused, UnicodeEncodeError) as refused:
        raise _Odd(f"`require` cannot be read ({refused})") from None
    reader = Reader()
    items = root.items if isinstance(root, nodes.Sequence) else []
    found = tuple(_rule(reader, item, f"require[{index}]", stage, file, line) for index, item in enumerate(items))
    names = [rule.name for rule in found]
    errors = [problem for problem in reader.problems if problem.severity == ERROR]
    if errors:
        raise _Odd(f"{errors[0].message} {errors[0].fix}".strip())
    if len(set(names)) != len(names):
        raise _Odd("two entries of `require` have the same name")
    return found


def _rule(reader: Reader, node: Node, path: str, stage: str, file: str, line: int) -> Rule:
    mapping = reader.mapping(node, path, EXAMPLE)
    if mapping is None:
        return Rule("")
    fields = reader.fields(mapping, path, ("name", *NEEDS_KEYS), ("name",))
    asks = Mapping(mapping.line, mapping.column, pairs=[pair for pair in mapping.pairs if pair[0].text != "name"])
    return Rule(
        reader.text(fields.get("name"), f"{path}.name", EXAMPLE, limit=100),
        stage,
        needs=read_needs(reader, asks, path),
        line=line,
        file=file,
    )

"""What a rule asks for: approvals, out of whom, of what kind, and checks."""

from __future__ import annotations

import re

from apps.policies.config.model import (
    CODE_OWNERS,
    EXPERTS,
    GROUP,
    REVIEWERS,
    SEEN,
    SEEN_ALL,
    GroupNeed,
    Needs,
)
from apps.policies.config.nodes import Mapping, Node, Scalar
from apps.policies.config.reader import Reader

NEEDS_KEYS = ("approvals", "from", "all", "distinct", "checks", "reauthenticate", "expires", "ask", "seen")
GROUP_KEYS = ("approvals", "from")
MAX_GROUPS = 6
ROLES = ("viewer", "author", "reviewer", "deployer", "maintainer", "auditor")
POWERLESS = ("role/viewer", "role/auditor")
"""Roles that may not review: as principals they stand for nobody."""
EXAMPLE = "needs: {approvals: 1, from: [code-owners]}"
_GROUP_EXAMPLE = "all: [{approvals: 1, from: [team/sre]}, {approvals: 1, from: [team/network]}]"
_PRINCIPAL = re.compile(r"(team|user)/[^\s/,]{1,150}")
_CHECK = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:-]{0,99}")


def read_needs(reader: Reader, node: Node | None, path: str) -> Needs:
    """``approvals`` and ``from``, or ``all`` groups, or ``checks`` alone; what says nothing at all is an error."""
    mapping = reader.mapping(node, path, EXAMPLE)
    if mapping is None:
        return Needs()
    fields = reader.fields(mapping, path, NEEDS_KEYS)
    _check_shape(reader, mapping, fields, path)
    groups = _groups(reader, fields.get("all"), f"{path}.all")
    asks = "approvals" in fields or not ({"all", "checks"} & set(fields))
    expires = fields.get("expires")
    return Needs(
        reader.count(fields.get("approvals"), f"{path}.approvals", default=1, low=1) if asks else 0,
        read_principals(reader, fields.get("from"), f"{path}.from") if "from" in fields else (REVIEWERS,),
        ask=reader.named(fields["ask"], f"{path}.ask", (EXPERTS, GROUP), EXPERTS) if "ask" in fields else EXPERTS,
        seen=_seen(reader, fields.get("seen"), f"{path}.seen"),
        groups=groups,
        distinct=reader.boolean(fields.get("distinct"), f"{path}.distinct", default=True),
        checks=_checks(reader, fields.get("checks"), f"{path}.checks"),
        expires_seconds=reader.duration(expires, f"{path}.expires", default=1, example="7d") if expires else 0,
        reauthenticate=reader.boolean(fields.get("reauthenticate"), f"{path}.reauthenticate", default=False),
    )


def _check_shape(reader: Reader, mapping: Mapping, fields: dict[str, Node], path: str) -> None:
    if "approvals" not in fields and ("from" in fields or not {"all", "checks"} & set(fields)) and "all" not in fields:
        text = f"`{path}` lacks the key `approvals`."
        reader.error(mapping, path, text, "Add `approvals: 1`; or ask for groups with `all`, or for `checks`.")
    alone = [key for key in ("seen", "expires", "reauthenticate", "ask") if key in fields]
    if alone and not {"approvals", "from", "all"} & set(fields) and "checks" in fields:
        text = f"`{path}.{alone[0]}` speaks of approvals, and this rule asks for none."
        reader.error(fields[alone[0]], f"{path}.{alone[0]}", text, "Add `approvals: 1`, or remove it.")
    if "all" in fields and {"approvals", "from"} & set(fields):
        text = f"`{path}` has `all` beside `approvals` or `from`: `all` stands in their place."
        reader.error(fields["all"], f"{path}.all", text, f"Write `{_GROUP_EXAMPLE}` alone.")
    if "distinct" in fields and "all" not in fields:
        text = f"`{path}.distinct` speaks of the groups in `all`, of which there are none."
        reader.error(
            fields["distinct"], f"{path}.distinct", text, "Remove it: approvals are always of different people."
        )


def _groups(reader: Reader, node: Node | None, path: str) -> tuple[GroupNeed, ...]:
    found: list[GroupNeed] = []
    entries = reader.entries(node, path, _GROUP_EXAMPLE)
    if len(entries) > MAX_GROUPS and node is not None:
        reader.error(node, path, f"`{path}` has {len(entries)} groups; at most {MAX_GROUPS} are allowed.", "Split it.")
    for item, place in entries[:MAX_GROUPS]:
        mapping = reader.mapping(item, place, "{approvals: 1, from: [team/sre]}")
        if mapping is None:
            continue
        fields = reader.fields(mapping, place, GROUP_KEYS, ("from",))
        from_ = read_people(reader, fields.get("from"), f"{place}.from")
        found.append(GroupNeed(reader.count(fields.get("approvals"), f"{place}.approvals", default=1, low=1), from_))
    return tuple(found)


def _checks(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    found = reader.texts(node, path, "checks: [unit tests]")
    for item, place in reader.entries(node, path, "") if found else ():
        text = item.text if isinstance(item, Scalar) else ""
        if text and not _CHECK.fullmatch(text):
            message = f"`{text[:40]}` cannot name a check: letters, digits, spaces and `._/:-`, at most 100."
            reader.error(item, place, message, "Write the name under which the pipeline reports it.")
    return found


def _seen(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """``all``, or a list of what has to be seen."""
    if isinstance(node, Scalar):
        return (SEEN_ALL,) if reader.named(node, path, (SEEN_ALL,), SEEN_ALL) else ()
    return reader.listed(node, path, SEEN, "nothing that can be seen", "seen: [destroys, rbac]")


def read_people(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """Principals without ``code-owners``, who are different people for every path."""
    found = read_principals(reader, node, path)
    if CODE_OWNERS in found and node is not None:
        text = "`code-owners` are different people for every path, so they cannot stand here."
        reader.error(node, path, text, "Name a team or a role.")
    return found


def read_principals(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """``team/x``, ``user/x``, ``role/x`` and ``code-owners``."""
    found = reader.texts(node, path, "from: [team/sre, code-owners]")
    for name in found:
        kind, _, rest = name.partition("/")
        known = name == CODE_OWNERS or _PRINCIPAL.fullmatch(name) or (kind == "role" and rest in ROLES)
        if not known and node is not None:
            reader.error(node, path, f"`{name}` names nobody who could approve.", _principal_fix(reader, name))
        if name in POWERLESS and node is not None:
            text = f"`{name}` stands for nobody: this role may not review, so nobody can meet it."
            reader.notice(node, path, text, "Name a role that may, such as `role/reviewer`, or a team.")
    return found


def _principal_fix(reader: Reader, name: str) -> str:
    if name.startswith("role/"):
        return reader.nearest(name, [f"role/{role}" for role in ROLES])
    if name.startswith("@"):
        return f"Write `{'team' if '/' in name else 'user'}/{name.rpartition('/')[2].lstrip('@') or 'bob'}`."
    return "Write `team/name`, `user/name`, `role/reviewer` or `code-owners`."

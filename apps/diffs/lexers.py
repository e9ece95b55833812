"""Line lexers: (line, state) → (HTML, next state), one regular expression per language.

The last alternative of every expression is ``SPECIAL``, so a character that needs escaping can never slip through
between two tokens. State carries what outlives a line: block scalars, heredocs, triple quotes, comments. Expressions
are linear on lines up to ``highlight.MAX_LEXED``: no nested repeats, optional closing quotes, possessive where it
matters (a repository must not be able to stop a worker; see Python's ``re`` on possessive quantifiers, 3.11).
A hunk begins in state 0, because the patch does not say what came before it: colours may be wrong there, text never.
Classes: k key, s string, u number, w keyword, f function or type, c comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from apps.diffs.characters import SPECIAL, SPECIAL_ASCII, escape, special

State = int | str
Lexer = Callable[[str, State], tuple[str, State]]

_DOUBLE = r'"(?:[^"\\]|\\.)*+"?'
_SINGLE = r"'(?:[^'\\]|\\.)*+'?"
_NUMBER = r"(?<![\w.-])-?(?:0x[0-9a-fA-F]++|\d++(?:\.\d++)*+(?:[eE][+-]?\d++)?(?:[kMGTPE]i?|ms?|s|h)?)(?![\w.-])"
_TEMPLATE = r"(?P<w>\{\{[^{}]*+\}?\}?)"
_MAX_INDENT = 120


def span(name: str, text: str) -> str:
    """One coloured token; ``name`` is one of our class names."""
    return f'<span class="{name}">{escape(text)}</span>' if text else ""


def _paint(match: re.Match[str]) -> str:
    name, text = match.lastgroup, match.group()
    if name is None:
        return special(text)
    return f'<span class="{name}">{escape(text)}</span>'


def _paint_ascii(match: re.Match[str]) -> str:
    """The same for a line that is all ASCII: most tokens are plain names, which hold nothing to escape."""
    name, text = match.lastgroup, match.group()
    if name is None:
        return special(text)
    return f'<span class="{name}">{text if text.isalnum() else escape(text)}</span>'


class _Colours:
    """One expression, in two editions: lines that are all ASCII need not be compared with the table of Unicode."""

    def __init__(self, *alternatives: str) -> None:
        self._ascii = re.compile("|".join([*alternatives, SPECIAL_ASCII]))
        self._any = re.compile("|".join([*alternatives, SPECIAL]))

    def paint(self, text: str) -> str:
        return self._ascii.sub(_paint_ascii, text) if text.isascii() else self._any.sub(_paint, text)


# ------------------------------------------------------------------------------------------------ YAML, Helm templates
_YAML_KEY = re.compile(
    r"(?P<before>[ \t]*+(?:- ++)*+(?:[!&]\S++ ++)*+)"
    r"(?P<key>\"(?:[^\"\\]|\\.)*+\"|'[^']*+'|[^\s#:'\"{}\[\],&*!|>%@`-](?:[^:#{}\s]|(?<!\s)#|:(?=[^\s])| (?=[^\s#:]))*+"
    r"|-(?=[^\s:])(?:[^:#{}\s]|:(?=[^\s]))*+|\?)(?=[ \t]*+:(?:\s|$))"
)
_YAML_REST = _Colours(
    r"(?P<c>(?<!\S)\#.*+)", f"(?P<s>(?<![\\w]){_DOUBLE}|(?<![\\w])'[^']*+'?)",
    r"(?P<f>(?<![^\s\[{,])[&*!][\w./!:-]++)",
    r"(?P<w>\{\{[^{}]*+\}?\}?|(?<![\w./:-])(?:true|false|null|yes|no|on|off|True|False|~)(?![\w./:-])|^---.*|^\.\.\.$)",
    f"(?P<u>{_NUMBER})",
)  # fmt: skip
_YAML_BLOCK = re.compile(r"(?:^|[:\s-])[|>](?:[+-]?[1-9]?|[1-9][+-])(?:\s+#.*)?$")
_YAML_IN_BLOCK = _Colours(_TEMPLATE)
_TEMPLATE_COMMENT = "tpl"


def yaml(line: str, state: State) -> tuple[str, State]:
    """YAML with Go templates in it. State: 0, 1 + indentation of a block scalar's parent, or in a template comment."""
    if state == _TEMPLATE_COMMENT:
        return span("c", line), 0 if "*/" in line else state
    if state and isinstance(state, int) and (not line or _indent(line) >= state):
        return f'<span class="s">{_YAML_IN_BLOCK.paint(line)}</span>' if line else "", state
    if "{{" in line and line.lstrip(" ").startswith(("{{/*", "{{- /*")):
        return span("c", line), 0 if "*/" in line else _TEMPLATE_COMMENT
    match = _YAML_KEY.match(line)
    if match is None:
        html, rest, parent = "", line, -1
    else:
        before, key = match.groups()
        html, rest, parent = escape(before) + span("k", key), line[match.end() :], len(before)
    html += _YAML_REST.paint(rest)
    opens = ("|" in rest or ">" in rest) and rest[-1] not in "\"'" and _YAML_BLOCK.search(rest) is not None
    if not opens:
        return html, 0
    parent = _indent(line) if parent < 0 else parent
    return html, parent + 1 if parent <= _MAX_INDENT else 0


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


# -------------------------------------------------------------------------------------------------------- HCL, Terraform
_HCL = _Colours(
    r"(?P<c>(?:\#|//).*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)", f"(?P<s>{_DOUBLE})",
    r"(?P<k>(?<![\w.])[A-Za-z_][\w-]*+(?=[ \t]*+=(?![=>])))",
    r"(?P<w>(?<![\w.-])(?:resource|data|variable|output|module|provider|terraform|locals|moved|import|check|removed|for"
    r"|in|if|else|endif|true|false|null|dynamic)(?![\w-]))",
    r"(?P<f>(?<![\w.])[a-z_]\w*+(?=\())", f"(?P<u>{_NUMBER})",
)  # fmt: skip
_HEREDOC = re.compile(r"<<[-~]?\s*(['\"]?)([A-Za-z_]\w{0,40})\1")
_COMMENT_STATE = 1


def hcl(line: str, state: State) -> tuple[str, State]:
    """HCL. State: 0, 1 in ``/* */``, or the word that ends a heredoc."""
    if isinstance(state, str):
        return span("s", line), 0 if line.strip() == state else state
    if state == _COMMENT_STATE:
        return _in_comment(line, _HCL)
    html = _HCL.paint(line)
    heredoc = _HEREDOC.search(line) if "<<" in line else None
    if heredoc is not None:
        return html, heredoc[2]
    return html, _COMMENT_STATE if _opens_comment(line) else 0


def _in_comment(line: str, colours: _Colours) -> tuple[str, State]:
    end = line.find("*/")
    if end < 0:
        return span("c", line), _COMMENT_STATE
    rest = line[end + 2 :]
    return span("c", line[: end + 2]) + colours.paint(rest), _COMMENT_STATE if _opens_comment(rest) else 0


def _opens_comment(line: str) -> bool:
    """Whether a ``/*`` after the last ``*/`` starts a comment that goes on; only where it begins a word."""
    at = line.rfind("/*")
    return at >= 0 and line.find("*/", at) < 0 and (at == 0 or line[at - 1] in " \t;{(,") and "//" not in line[:at]


# ------------------------------------------------------------------------------------------------------------------ JSON
_JSON = _Colours(
    f"(?P<k>{_DOUBLE}(?=\\s*+:))", f"(?P<s>{_DOUBLE})", r"(?P<w>\b(?:true|false|null)\b)", f"(?P<u>{_NUMBER})",
    r"(?P<c>//.*+)",
)  # fmt: skip


def json(line: str, _state: State) -> tuple[str, State]:
    """JSON, and JSON with comments; no line depends on another."""
    return _JSON.paint(line), 0


# ---------------------------------------------------------------------------------------------------------------- Python
_PYTHON = _Colours(
    r"(?P<c>\#.*+)", f"(?P<s>(?<![\\w])[rbfuRBFU]{{0,2}}(?:{_DOUBLE}|{_SINGLE}))",
    r"(?P<w>(?<![\w.])(?:False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except"
    r"|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)",
    r"(?P<f>(?<![\w.])@?[A-Za-z_]\w*+(?=\()|@[\w.]++)", f"(?P<u>{_NUMBER})",
)  # fmt: skip
_TRIPLE = re.compile(r"\"\"\"|'''")


def python(line: str, state: State) -> tuple[str, State]:
    """Python. State: 0, or the quotes that end a triple-quoted string."""
    html: list[str] = []
    at = 0
    if isinstance(state, str):
        end = line.find(state)
        if end < 0:
            return span("s", line), state
        at = end + 3
        html.append(span("s", line[:at]))
    opening = _TRIPLE.search(line, at)
    while opening is not None and "#" not in line[at : opening.start()]:
        html.append(_PYTHON.paint(line[at : opening.start()]))
        end = line.find(opening.group(), opening.end())
        if end < 0:
            return "".join([*html, span("s", line[opening.start() :])]), opening.group()
        at = end + 3
        html.append(span("s", line[opening.start() : at]))
        opening = _TRIPLE.search(line, at)
    html.append(_PYTHON.paint(line[at:]))
    return "".join(html), 0


# ----------------------------------------------------------------------------------------------------- shell, Dockerfile
_SHELL = _Colours(
    r"(?P<c>(?<!\S)\#.*+)", f"(?P<s>{_DOUBLE}|'[^']*+'?)", r"(?P<k>\$\{[^}]*+\}?|\$[\w@#?*!-])",
    r"(?P<w>(?<![\w./-])(?:if|then|else|elif|fi|for|in|do|done|while|until|case|esac|function|return|exit|export|local"
    r"|set|source|trap|readonly|shift|unset|eval|exec)(?![\w./=-]))",
    r"(?P<f>(?<![\w./-])[A-Za-z_]\w*+(?=\(\)))", f"(?P<u>{_NUMBER})",
)  # fmt: skip
_DOCKER = re.compile(
    r"(?i:[ \t]*+(?:FROM|RUN|CMD|LABEL|EXPOSE|ENV|ADD|COPY|ENTRYPOINT|VOLUME|USER|WORKDIR|ARG|ONBUILD|STOPSIGNAL"
    r"|HEALTHCHECK|SHELL|MAINTAINER)(?=\s|$))"
)
_CONTINUED = 1


def shell(line: str, state: State) -> tuple[str, State]:
    """POSIX shell and Bash. State: 0, or the word that ends a heredoc."""
    if isinstance(state, str):
        return span("s", line), 0 if line.strip() == state else state
    heredoc = _HEREDOC.search(line) if "<<" in line and "<<<" not in line else None
    return _SHELL.paint(line), heredoc[2] if heredoc is not None else 0


def dockerfile(line: str, state: State) -> tuple[str, State]:
    """Dockerfile: an instruction, then shell. State: 1 after a line that ends with a backslash."""
    match = None if state == _CONTINUED else _DOCKER.match(line)
    html = "" if match is None else span("w", match.group())
    html += _SHELL.paint(line if match is None else line[match.end() :])
    return html, _CONTINUED if line.endswith("\\") else 0


# -------------------------------------------------------------------------------------------------------- everything else
_KEYWORDS = (
    "abstract async await bool break case catch char class const continue default defer delete do double else enum "
    "export extends false final float fn for func function go if impl implements import in int interface let loop map "
    "match mod mut new nil null package private protected pub public range return select static string struct super "
    "switch this throw trait true try type typeof undefined use var void while with yield"
)
_C_LIKE = _Colours(
    r"(?P<c>//.*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)", f"(?P<s>{_DOUBLE}|{_SINGLE}|`[^`]*+`?)",
    f"(?P<w>(?<![\\w.$-])(?:{'|'.join(_KEYWORDS.split())})(?![\\w-]))", r"(?P<f>(?<![\w.])[A-Za-z_]\w*+(?=\())",
    f"(?P<u>{_NUMBER})",
)  # fmt: skip
_INI = _Colours(
    r"(?P<c>(?<!\S)[#;].*+)", f"(?P<s>{_DOUBLE}|'[^']*+'?)", r"(?P<w>^\s*+\[[^\]]*+\]*+)", r"(?P<k>^\s*+[\w.-]++(?=\s*+=))",
    f"(?P<u>{_NUMBER})",
)  # fmt: skip
_MARKDOWN = _Colours(r"(?P<k>^\#{1,6}\s.*+)", r"(?P<s>`[^`]*+`?)", r"(?P<w>^\s*+(?:[-*+]|\d++\.)(?=\s))")


def c_like(line: str, state: State) -> tuple[str, State]:
    """Go, JavaScript, TypeScript, Rust, Java, C: comments, strings, words that many of them share."""
    if state == _COMMENT_STATE:
        return _in_comment(line, _C_LIKE)
    return _C_LIKE.paint(line), _COMMENT_STATE if _opens_comment(line) else 0


def ini(line: str, _state: State) -> tuple[str, State]:
    """TOML, INI, properties, environment files."""
    return _INI.paint(line), 0


def markdown(line: str, _state: State) -> tuple[str, State]:
    """Markdown: headings, code, list marks."""
    return _MARKDOWN.paint(line), 0


def text(line: str, _state: State) -> tuple[str, State]:
    """No colours."""
    return escape(line), 0


LEXERS: dict[str, Lexer] = {
    "yaml": yaml, "hcl": hcl, "json": json, "python": python, "shell": shell, "dockerfile": dockerfile,
    "c_like": c_like, "ini": ini, "markdown": markdown, "text": text,
}  # fmt: skip
_SUFFIXES: Sequence[tuple[str, str]] = (
    ("yaml", "yaml yml tpl gotmpl tmpl"), ("hcl", "tf tfvars hcl nomad"), ("json", "json jsonc tfstate webmanifest"),
    ("python", "py pyi bzl star"), ("shell", "sh bash zsh ksh bats"), ("dockerfile", "dockerfile containerfile"),
    ("c_like", "go js mjs cjs ts tsx jsx java kt rs c h cc cpp hpp cs proto groovy css scss"),
    ("ini", "toml ini cfg conf properties env service"), ("markdown", "md markdown"),
)  # fmt: skip
_BY_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES for suffix in suffixes.split()}
_BY_NAME = {"dockerfile": "dockerfile", "containerfile": "dockerfile", "jenkinsfile": "c_like", "codeowners": "ini"}


def language_of(path: str) -> str:
    """The lexer for a path, by its name alone: content of a repository does not choose how it is shown."""
    name = path.rsplit("/", 1)[-1].lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    return _BY_SUFFIX.get(name.rsplit(".", 1)[-1], "text") if "." in name else "text"

"""Reads diff fragments back: checks that only our markup is there, and gives the text of every code cell."""

from __future__ import annotations

from html.parser import HTMLParser

ALLOWED = {
    "table": {"class"}, "caption": {"class"}, "colgroup": set(), "col": {"class"}, "thead": {"class"},
    "tbody": {"class", "data-file", "data-next", "data-start"}, "tr": {"class", "id", "data-gap"}, "th": {"scope"},
    "td": {"class", "id", "aria-hidden", "colspan"}, "a": {"href", "class", "data-take"}, "span": {"class"}, "mark": set(),
    "p": {"class"}, "div": {"class", "hx-ignore"}, "header": {"class"}, "h2": {"class"}, "h3": {"id", "tabindex"},
    "section": {"class", "id", "data-file", "data-lines", "data-state", "aria-labelledby"},
}  # fmt: skip
CLASSES = frozenset(
    [
        "dt",
        "sp",
        "sr",
        "cn",
        "cm",
        "srh",
        "h",
        "n",
        "m",
        "a",
        "d",
        "x",
        "e",
        "k",
        "s",
        "u",
        "w",
        "f",
        "c",
        "inv",
        "tb",
        "ws",
        "eof",
        "cut",
        "ex",
        "ce",
        "mr",
        "dn",
        "cv",
        "df",
        "fh",
        "fb",
        "old",
        "why",
        "dg",
        "st",
        "st--neu",
    ]
)
NOT_CODE = {"sr", "eof"}


class FragmentReader(HTMLParser):
    """``rows``: for each ``<tr>`` of a body its class, id and the texts of its cells (without hidden words)."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[tuple[str, str, list[str]]] = []
        self.classes_seen: set[str] = set()
        self.marked: list[str] = []
        self.text = ""
        self._spans: list[str] = []
        self._in_row = self._in_mark = self._in_more = False
        self.feed(html.decode("utf-8"))
        self.close()
        assert self._spans == [], "a span was left open"
        assert not self._in_mark, "a mark was left open"

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, f"<{tag}> must not occur"
        given = dict(attrs)
        assert set(given) <= ALLOWED[tag], f"<{tag}> with {attrs}"
        names = set((given.get("class") or "").split())
        assert names <= CLASSES, f"classes {names}"
        self.classes_seen |= names
        if tag == "span":
            self._spans.append(given.get("class") or "")
        elif tag == "mark":
            assert not self._in_mark, "marks must not nest"
            self._in_mark = True
            self.marked.append("")
        elif tag == "tbody":
            self._in_more = "mr" in names
        elif tag == "tr":
            self.rows.append(("h" if self._in_more else given.get("class") or "", given.get("id") or "", []))
            self._in_row = True
        elif tag in ("td", "th"):
            # An empty side of the split view is one cell as wide as three; the text goes to the last.
            wide = int(given.get("colspan") or 1) if "h" not in self.rows[-1][0] else 1
            self.rows[-1][2].extend([""] * wide)
        elif tag == "a":
            assert (given["href"] or "").startswith(("#f-", "?"))

    def handle_endtag(self, tag):
        if tag == "span":
            self._spans.pop()
        elif tag == "mark":
            self._in_mark = False
        elif tag in ("table", "tbody", "thead"):
            self._in_row = False

    def handle_data(self, data):
        self.text += data
        if self._in_mark:
            self.marked[-1] += data
        if self._in_row and not NOT_CODE.intersection(self._spans):
            self.rows[-1][2][-1] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data):
        raise AssertionError(f"a processing instruction: {data}")

    def code(self, view: str) -> list[tuple[str, ...]]:
        """Number and text cells of the rows that are lines (not headings): without the sign cells."""
        wanted = (0, 2, 3, 5) if view == "split" else (0, 1, 3)
        size = 6 if view == "split" else 4
        return [
            tuple(cells[index] for index in wanted)
            for kind, _, cells in self.rows
            if kind != "h" and len(cells) == size and not cells[0].startswith("Old")
        ]

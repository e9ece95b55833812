"""Shapes of ``GET …/diff/``, as the schema publishes them; :mod:`apps.diffs.shapes` writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import maybe_number, maybe_text, string, texts, whole, word
from apps.api.outputs import Out


class LineOut(Out):
    kind = word(("context", "removed", "added"))
    old = maybe_number()
    new = maybe_number()
    text = string(allow_blank=True, trim_whitespace=False)
    no_newline = serializers.BooleanField(required=False)


class HunkOut(Out):
    header = string()
    section = string(allow_blank=True)
    old_start = whole()
    old_count = whole()
    new_start = whole()
    new_count = whole()
    lines = LineOut(many=True)


class FileOut(Out):
    id = string(help_text="Names the file in other calls: ?path=, `file` of a thread or draft, …/viewed/{file}/.")
    status = string()
    path = string(
        help_text="With what cannot be shown, or looks like another letter, made visible; as ?path= takes it."
    )
    old_path = maybe_text()
    new_path = maybe_text()
    old_mode = string(allow_blank=True)
    new_mode = string(allow_blank=True)
    old_oid = string(allow_blank=True)
    new_oid = string(allow_blank=True)
    similarity = maybe_number()
    kind = serializers.CharField(required=False)
    added = serializers.IntegerField(required=False)
    removed = serializers.IntegerField(required=False)
    words = serializers.ListField(child=serializers.CharField(), required=False)
    hidden_characters = serializers.DictField(child=serializers.IntegerField(), required=False)
    lookalike_characters = serializers.DictField(child=serializers.IntegerField(), required=False)
    utf8 = serializers.BooleanField(required=False)
    hunks = HunkOut(many=True, allow_null=True)
    problem = serializers.CharField(required=False, allow_null=True)


class ComparisonOut(Out):
    """Between two revisions: how much is upstream's alone, and what could not be told apart."""

    shown = word(("author", "upstream"))
    equal = serializers.BooleanField(help_text="The author changed nothing: applied again, from gives exactly to.")
    upstream_files = whole()
    upstream_edits = whole()
    not_separated = texts("Paths that show the author's and upstream's edits.")
    nothing_separated = serializers.BooleanField(help_text="That holds for every path.")
    inputs_changed = texts("environment/target whose inputs upstream changed.")
    remarks = texts()


class DiffOut(Out):
    """Target tip → merge result, or one revision → another."""

    change = whole()
    old_tree = serializers.CharField(required=False)
    new_tree = serializers.CharField(required=False)
    conflicts = texts()
    comparison = ComparisonOut(allow_null=True)
    whitespace = serializers.ChoiceField(choices=["shown", "ignored"], required=False)
    hidden_lines = serializers.IntegerField(
        required=False,
        help_text="Changed lines that ?whitespace=ignore leaves out; a review needs the whole difference.",
    )
    complete = serializers.BooleanField(help_text="False: too long for one answer; ask for each file with ?path=.")
    files = FileOut(many=True)

    def get_fields(self) -> Any:
        sides = {"from": maybe_text("base, or an older revision as r1"), "to": maybe_text("The revision, as r3.")}
        return super().get_fields() | sides

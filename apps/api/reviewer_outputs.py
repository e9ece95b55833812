"""Shapes of answers about who is asked to review, and who is away; :mod:`apps.api.reviewer_answers` writes them."""

from __future__ import annotations

from rest_framework import serializers

from apps.api.fields import maybe_moment, maybe_number, maybe_text, moment, string, texts, whole
from apps.api.outputs import Out


class ConsideredOut(Out):
    name = string()
    code = string(help_text="asked, or why not: contributor codes, away, declined, less_suited, not_needed …")
    why = texts()
    load = maybe_number()


class NeedOut(Out):
    name = string()
    code = string()
    place = string(allow_blank=True, help_text="Where the rule stands: CODEOWNERS:14")
    file = string(allow_blank=True)
    line = whole()
    text = string()
    state = string()
    have = whole()
    needed = whole()
    paths = texts("The first of the touched paths that it is about; empty for the whole change.")
    more_paths = whole()
    given = texts("Who approved.")
    asked = ConsideredOut(many=True)
    not_asked = ConsideredOut(many=True)


class ReviewersOut(Out):
    asked = whole(help_text="People who are asked …")
    named = whole(help_text="… out of so many who could be.")
    made_at = maybe_moment()
    is_being_chosen = serializers.BooleanField(
        help_text="Something has happened since `made_at`, and who is asked is chosen anew; ask again in a moment."
    )
    needs = NeedOut(many=True)


class NudgeOut(Out):
    user = string()
    again_at = moment()


class MoveOut(Out):
    key = string(help_text="What is sent to carry it out.")
    change = whole()
    title = string()
    user = string()
    to = string()
    why = string()


class PlanOut(Out):
    moves = MoveOut(many=True)


class AbsenceOut(Out):
    id = whole()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    time_zone = string()
    starts_at = moment()
    ends_at = moment()
    deputy = maybe_text()
    note = string(allow_blank=True)
    cancelled_at = maybe_moment()

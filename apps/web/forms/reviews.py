"""Forms of reviewing and discussing."""

from __future__ import annotations

from django import forms

from apps.changes.models import ChangeRequest
from apps.policies.config.environments import LONGEST_NAME
from apps.web.forms.base import OnceField

VERDICTS = (
    ("approve", "Approve this content"),
    ("request_changes", "Request changes"),
    ("comment", "Only comment"),
)
KINDS = (
    ("comment", "Comment"),
    ("question", "Question"),
    ("blocking", "Blocking: has to be resolved before merging"),
)


class Review(forms.Form):
    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    idempotency_key = OnceField()
    stage = forms.ChoiceField(
        choices=(("merge", "merge"), ("deploy", "deploy")), required=False, widget=forms.HiddenInput
    )
    environment = forms.CharField(required=False, max_length=LONGEST_NAME, widget=forms.HiddenInput)
    view = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    displayed = forms.CharField(required=False, max_length=400_000, widget=forms.HiddenInput)
    compared = forms.CharField(required=False, max_length=8, widget=forms.HiddenInput)
    verdict = forms.ChoiceField(choices=VERDICTS, widget=forms.RadioSelect, label="Your verdict")
    # The digest of the inverse that stands on the page: what is approved beforehand is exactly that.
    rollback = forms.CharField(required=False, max_length=64)
    body = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="What you want to say",
        help_text="Needed unless you approve, or only send the comments of your review. Markdown works.",
    )


def review_form(change: ChangeRequest, initial: dict[str, object] | None = None, data: object = None) -> Review:
    """The form for one change: what is typed is kept under one name, so that every page of it finds the draft again."""
    form = Review(data, initial=initial)  # type: ignore[arg-type]  # a QueryDict, a dict or nothing
    form.fields["body"].widget.attrs["data-draft"] = f"review-{change.number}"
    return form


class OpenThread(forms.Form):
    idempotency_key = OnceField()
    body = forms.CharField(max_length=20_000, widget=forms.Textarea(attrs={"rows": 3}), label="Comment")
    kind = forms.ChoiceField(choices=KINDS, required=False, initial="comment", label="Kind")
    file = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    path = forms.CharField(required=False, max_length=4096, widget=forms.HiddenInput)
    start_line = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    line = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    scope = forms.CharField(required=False, max_length=8, widget=forms.HiddenInput)
    locator = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)
    side = forms.ChoiceField(choices=(("new", "new"), ("old", "old")), required=False, widget=forms.HiddenInput)
    revision = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)


class Draft(OpenThread):
    """What was typed so far; empty takes the draft away."""

    body = forms.CharField(required=False, max_length=20_000, strip=False)
    thread = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    pending = forms.BooleanField(required=False, widget=forms.HiddenInput)


class Suggestions(forms.Form):
    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class Drop(forms.Form):
    reason = forms.CharField(max_length=500, label="Why it is dropped")


class Reply(forms.Form):
    idempotency_key = OnceField()
    body = forms.CharField(max_length=20_000, widget=forms.Textarea(attrs={"rows": 2}), label="Reply")

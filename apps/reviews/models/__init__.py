"""Reviews, who was asked and why, threads, what was viewed, whose turn it is, and what people are told."""

from apps.reviews.models.assignments import Assignment, Choice
from apps.reviews.models.attention import Attention, Call, Opening
from apps.reviews.models.emergencies import Emergency, EmergencyConfirmation
from apps.reviews.models.expertise import Expertise, FolderHistory, HistoryReading, LearntChange
from apps.reviews.models.inbox import Desk, News, told_as
from apps.reviews.models.overrides import WindowOverride
from apps.reviews.models.seen import SeenMark
from apps.reviews.models.threads import Comment, DraftComment, SuggestionCommit, Thread
from apps.reviews.models.verdicts import Review, VerdictSnapshot

__all__ = [
    "Assignment",
    "Attention",
    "Call",
    "Choice",
    "Comment",
    "Desk",
    "DraftComment",
    "Emergency",
    "EmergencyConfirmation",
    "Expertise",
    "FolderHistory",
    "HistoryReading",
    "LearntChange",
    "News",
    "Opening",
    "Review",
    "SeenMark",
    "SuggestionCommit",
    "Thread",
    "VerdictSnapshot",
    "WindowOverride",
    "told_as",
]

"""Reviews, who was asked and why, threads, and whose turn it is."""

from apps.reviews.models.assignments import Assignment, Choice
from apps.reviews.models.attention import Attention
from apps.reviews.models.expertise import Expertise, FolderHistory, HistoryReading, LearntChange
from apps.reviews.models.threads import Comment, Thread
from apps.reviews.models.verdicts import Review, VerdictSnapshot

__all__ = [
    "Assignment",
    "Attention",
    "Choice",
    "Comment",
    "Expertise",
    "FolderHistory",
    "HistoryReading",
    "LearntChange",
    "Review",
    "Thread",
    "VerdictSnapshot",
]

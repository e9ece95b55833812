"""Reviews, who was asked and why, threads, and whose turn it is."""

from apps.reviews.models.assignments import Assignment
from apps.reviews.models.attention import Attention
from apps.reviews.models.threads import Comment, Thread
from apps.reviews.models.verdicts import Review, VerdictSnapshot

__all__ = ["Assignment", "Attention", "Comment", "Review", "Thread", "VerdictSnapshot"]

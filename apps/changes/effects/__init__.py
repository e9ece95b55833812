"""The effect of revisions: which targets they reach, rendering both sides, and reading what came of it (ADR 15)."""

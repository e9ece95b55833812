"""Source differences: raw Git output in, rows and HTML fragments out. Pure: no Django, no Git, no clock.

Stages, each a module: ``parse`` (raw list, patch, hunks) → ``files`` (facts about one file) → ``rows`` (pairs of lines)
→ ``intraline`` (changed words) → ``highlight`` (coloured lines) → ``html`` (rows) → ``fragments`` (files, windows).
``DIFF_VERSION`` is part of every cache key: raise it whenever the same input would give other bytes.
"""

DIFF_VERSION = 2

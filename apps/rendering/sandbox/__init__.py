"""Running a tool on content that nobody trusts: ``running.run`` and ``running.isolation``.

Stages, each a module: ``running`` (one run, watched) → ``enclosure`` (its keeper, a process of its own) → ``kernel``
(calls of Linux) or ``bubblewrap`` (a command line) → ``usage`` (what the processes of a run hold).
"""

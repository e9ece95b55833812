"""Rules in Rego. Stages, each a module: ``modules`` (what the target branch holds, checked) → ``asking`` (a process of its own)
→ ``child`` (that process) → ``inspection`` (what modules read and call) and, of its answer, ``answers`` (what the verdict is told).
"""

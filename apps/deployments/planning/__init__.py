"""Plans of targets whose state and credentials belong to an environment: made by its runner, never by the web process (ADR 17).

``runner`` decides whether a rendering may have the credentials and has it planned; ``stacks`` asks an account for a
change set.
"""

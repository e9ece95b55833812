"""CloudFormation without an account: what a template makes of its parameters, before and after, compared by logical id. Pure.

``templates`` and ``parameters`` (files) → ``scopes``, ``functions``, ``conditions`` (values, as far as they are known) →
``stacks`` (resources, those of nested stacks, too) → ``secrets`` → ``differences`` with ``create_only`` and ``risks``.
``changesets`` reads what an account answers. What is not known stays a marker, such as ``${Vpc.CidrBlock}``.
"""

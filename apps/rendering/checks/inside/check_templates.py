"""``check_templates.py PACKAGES ARGUMENT…``: the command cfn-lint with its packages. It imports nothing of the portal."""

from __future__ import annotations

import importlib
import sys

if __name__ == "__main__":
    packages = sys.argv.pop(1)
    sys.path.insert(0, packages)
    sys.exit(importlib.import_module("cfnlint.runner").main())

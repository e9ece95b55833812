#!/bin/sh
# Everything that can be said about the code without running it. All steps run; the end tells which failed.
set -u
cd "$(dirname "$0")/.." || exit 1
python=.venv/bin/python
failed=""

step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed="$failed\n  - $name"
}

step "ruff check" $python -m ruff check .
step "ruff format" $python -m ruff format --check .
step "mypy --strict" $python -m mypy apps gitops_portal
step "djlint" $python -m djlint --lint --quiet templates
step "import-linter" env PYTHONPATH=. .venv/bin/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
step "migrations are written" $python manage.py makemigrations --check --dry-run
step "requirements are locked" $python scripts/check_locks.py
step "packages agree" $python -m pip check

if [ -n "$failed" ]; then
    printf "\nmake check: failed:$failed\n"
    exit 1
fi
printf '\nmake check: all good\n'

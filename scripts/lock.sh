#!/bin/sh
# Write the locked requirements anew. No index, host or path of this machine gets into them.
set -eu
cd "$(dirname "$0")/.."
lock() {
    .venv/bin/python -m piptools compile --quiet --strip-extras --allow-unsafe --no-header \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file "$2" "$1" $UPGRADE
}
UPGRADE=${UPGRADE:+--upgrade}
lock requirements.in requirements.txt
# The image installs the same versions, by their hashes.
.venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file deploy/requirements.txt requirements.txt
lock requirements-traces.in requirements-traces.txt
.venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file deploy/requirements-traces.txt requirements-traces.txt
lock requirements-dev.in requirements-dev.txt
lock requirements-checks.in requirements-checks.txt
.venv/bin/python scripts/check_locks.py

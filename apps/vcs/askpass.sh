#!/bin/sh
# Answers Git's two questions with the credentials of the one command that runs now.
# They are in the environment of that process only: not on a command line, not in a file.
case "$1" in
  Username*) printf '%s\n' "$PORTAL_GIT_USERNAME" ;;
  *) printf '%s\n' "$PORTAL_GIT_SECRET" ;;
esac

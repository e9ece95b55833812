"""Runs shut in, apart from the portal, with the packages of the checkers."""

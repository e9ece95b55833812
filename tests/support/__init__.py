"""Builders shared by the tests: real tiny repositories, servers, people."""

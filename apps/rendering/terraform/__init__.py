"""Terraform: plans read from its own JSON, handed in by a pipeline or made here where a module needs nothing from outside."""

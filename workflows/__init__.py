"""Workflows: they sequence, they never reach out."""

"""Measurements. Each prints a table that a document quotes; none is a test, and no test is timed by one."""

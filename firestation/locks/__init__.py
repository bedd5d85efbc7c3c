"""Locks: one module a tool, each of which writes the same case down as a file of that tool and reads its report."""

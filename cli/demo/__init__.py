"""`firestation demo`: a whole incident in a terminal, with a real agent, a real station and real evidence."""

from cli.demo.command import demo

__all__ = ["demo"]

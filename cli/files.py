"""The files that people write."""

import typer

runbook = typer.Typer(no_args_is_help=True, help="The runbook wall: check it, list it.")
system = typer.Typer(no_args_is_help=True, help="The systems under protection.")


@runbook.command("lint")
def lint() -> None:
    """x"""


@system.command("check")
def check() -> None:
    """x"""

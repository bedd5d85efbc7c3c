"""The `audit` group of commands. Each command is in a module of its own."""

import typer

from cli.audit_run import run
from cli.teach import teach

audit = typer.Typer(
    no_args_is_help=True, help="The audit: every rule judged again, from nothing but the history."
)

teach(audit, "run", run)

"""`python -m cli` is `firestation`."""

from cli.main import main

main()

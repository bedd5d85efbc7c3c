"""An application in the product's own environment, with the product's own client: asked, it says what it works with."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drivers import products

Asking = Callable[[], str]


@contextmanager
def application(product: str, program: str, url: str, folder: Path, **surroundings: str) -> Iterator[Asking]:
    """Run the program, which says "ready" and then answers each line with one; it ends when nobody asks any more."""
    command = [products.program(product, "python"), "-W", "ignore", "-c", program, url]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"HOME": str(folder), **surroundings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        asked, answers = process.stdin, process.stdout

        def ask() -> str:
            asked.write("\n")
            asked.flush()
            return answers.readline().strip()

        try:
            assert answers.readline() == "ready\n"
            yield ask
        finally:
            asked.close()

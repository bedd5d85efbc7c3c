"""What a tool is to a lock: how its file is written, how it is run, and how its report is read.

An exit code alone is never believed: promptfoo passes a test that asserts nothing, Inspect's always says 0, and a test
that was skipped, or never collected, fails nobody. So each tool's own report must show one test that was really run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from firestation.locks.case import Case

Outcome = Literal["failed", "passed", "error"]
Result = tuple[Outcome, str]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool. `file` has {name} in it; `report` is where it leaves its report, a pattern within the folder.

    `arguments` are what follows the program, with {file} in them; `read` judges the report, of a case.
    """

    program: str
    package: str
    media_type: str
    file: str
    write: Callable[[Case], str]
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    report: str
    read: Callable[[bytes, Case], Result]

    def file_name(self, case: Case) -> str:
        """The file's name, which every tool can import."""
        return self.file.format(name=case.name.replace(".", "_"))

    def command(self, file: str) -> tuple[str, ...]:
        """What follows the program."""
        return tuple(argument.format(file=file) for argument in self.arguments)

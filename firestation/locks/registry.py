"""The tools in which a lock can be written."""

from collections.abc import Mapping

from firestation.lock_plan import LockTool
from firestation.locks import deepeval_file, inspect_file, promptfoo_file, pytest_file
from firestation.locks.tool import Tool

TOOLS: Mapping[LockTool, Tool] = {
    "pytest": pytest_file.TOOL,
    "deepeval": deepeval_file.TOOL,
    "promptfoo": promptfoo_file.TOOL,
    "inspect": inspect_file.TOOL,
}

"""The flagd lever: one flag in the JSON file that flagd, or an OpenFeature provider in the process, watches.

Only the text of that flag changes, and the file is replaced by a rename; the file lever says how wide the gap is.
The provider in Python looks at the file's time every `deadline_ms`, half a second if nothing is set.
"""

import json
import shlex
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from firestation.drivers.documents import json_span, parsed
from firestation.drivers.file_levers import FolderLever, InFolder
from firestation.errors import Gone
from firestation.model import Line, Model
from firestation.ports import ByHand

FIELDS = {"variant": "defaultVariant", "state": "state", "targeting": "targeting"}
STATES = ("ENABLED", "DISABLED")


class FlagdLeverConfig(InFolder):
    """`move` says what of the flag: its default `variant`, its `state` (ENABLED or DISABLED) or its `targeting`.

    A percentage is a rule of the targeting. Null is no targeting, or no default variant.
    """

    flag: Line
    move: Literal["variant", "state", "targeting"] = "variant"
    max_bytes: int = Field(default=1_000_000, ge=1, le=16_000_000)

    def value(self, content: bytes | None) -> JsonValue:
        """What the flag has there. Raises `Gone` when there is no such flag."""
        value: JsonValue = self._flag(self.text(content)).get(FIELDS[self.move])
        return None if value == {} else value  # no targeting may be written either way

    def edited(self, content: bytes | None, to: JsonValue) -> bytes:
        """The file with this flag written anew. Raises `Gone` for what flagd could not evaluate."""
        text = self.text(content)
        flag, field = self._flag(text), FIELDS[self.move]
        self._check(flag, to)
        if to is None:
            flag.pop(field, None)
        else:
            flag[field] = to
        start, end = json_span(text, ["flags", self.flag], self.file)
        line = text[text.rfind("\n", 0, start) + 1 : start]
        indent = line[: len(line) - len(line.lstrip())]
        written = json.dumps(flag, indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")
        return (text[:start] + written + text[end:]).encode()

    def _flag(self, text: str) -> dict[str, Any]:
        flags = parsed(text, self.file)["flags"]
        if self.flag not in flags:
            raise Gone(f"{self.file} has no flag {self.flag}; it has {', '.join(flags)}")
        flag: dict[str, Any] = flags[self.flag]
        return flag

    def _check(self, flag: dict[str, Any], to: JsonValue) -> None:
        variants = flag.get("variants", {})
        if self.move == "variant" and to is not None and (not isinstance(to, str) or to not in variants):
            raise Gone(f"the flag {self.flag} has no variant {to}; it has {', '.join(variants)}")
        if self.move == "state" and to not in STATES:
            raise Gone(f"the state of a flag is ENABLED or DISABLED, not {to}")
        if self.move == "targeting" and not (to is None or (isinstance(to, dict) and to)):
            raise Gone(f"the targeting of a flag is a rule or null, not {to}")


class FlagdLever(FolderLever[FlagdLeverConfig]):
    """Moves one thing of one flag."""

    config_model: ClassVar[type[Model]] = FlagdLeverConfig

    def read_by_hand(self) -> ByHand:
        """The file itself, by jq."""
        spot = f".flags[{json.dumps(self.config.flag)}].{FIELDS[self.config.move]}"
        command = f"jq {shlex.quote(spot)} {shlex.quote(str(self.folder / self.config.file))}"
        return ByHand(command=command, look="its position is what is printed")

    def by_hand(self, to: JsonValue) -> str:
        """The file written anew by jq, and renamed."""
        spot = f".flags[{json.dumps(self.config.flag)}].{FIELDS[self.config.move]}"
        change = shlex.quote(f"del({spot})" if to is None else f"{spot} = {json.dumps(to)}")
        return self.rewritten(f'jq {change} "$f"')

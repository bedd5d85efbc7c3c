"""Words of others, made safe to look at: what cannot be seen is shown, and what has no end is cut.

Evidence and people's words are hostile text. HTML is escaped by the templates; what escaping leaves is here: ANSI and
other control characters, characters that turn the direction of a line or hide in it, towers of accents, and length.
"""

import re
from typing import Any

from markupsafe import Markup, escape

LONGEST = 4200
"""Characters that are shown of one text. No text of a record is longer than 4000."""

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Controls, but tab and newline; bidi marks, zero widths, fillers, tags, halves of characters.

The two joiners (U+200C, U+200D) are letters' and emojis', and stay.
"""

TOWER = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def visible(text: str, most: int = LONGEST) -> str:
    """The text with nothing in it that cannot be seen, and at most so many characters of it."""
    rest = len(text) - most
    cut = text[:most] if rest > 0 else text
    cut = HIDDEN.sub(_named, cut.replace("\r\n", "\n"))
    cut = TOWER.sub(r"\1[more accents]", cut)
    return f"{cut}… ({rest} characters more)" if rest > 0 else cut


def said(text: Any, most: int = LONGEST) -> Markup:
    """Somebody's words, for a page: made visible, escaped, and alone with their own direction."""
    return Markup("<bdi>{}</bdi>").format(visible(str(text), most))


def typed(text: Any) -> Markup:
    """What somebody typed, for the field in which they typed it: letter by letter, escaped."""
    return escape(str(text))


def shown(value: Any) -> Any:
    """What every template does with whatever it shows, unless it was made safe already."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:  # noqa: PLR2004 - the controls of ASCII have pictures in Unicode
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"  # noqa: PLR2004 - delete

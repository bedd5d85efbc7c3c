"""Text from outside, made safe to print: models, customers and attackers write what ends up in a terminal."""

import re
import unicodedata

LONGEST = 2000
SHORT = 300
BREAKS = re.compile(r"\s*[\r\n\x0b\x0c\x85\u2028\u2029]+\s*")
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def plain(text: object, limit: int = LONGEST) -> str:
    r"""One line without anything that a terminal would obey or hide, at most `limit` characters long.

    Line breaks become spaces. Control characters, ANSI escapes, bidirectional overrides, zero-width and unknown
    characters are written out (`\x1b`, `\u202e`), so that they are seen and do nothing. What is cut off is counted.
    """
    said = str(text)
    kept = BREAKS.sub(" ", said[: limit * 2].replace("\t", " ")).strip()
    kept = "".join(_visible(letter) for letter in kept[:limit])
    left = len(said) - limit
    return f"{kept} … ({left} more characters)" if left > 0 else kept


def visible(line: str) -> str:
    """The same for a line that keeps its indentation and its length."""
    return "".join(letter if letter == "\t" else _visible(letter) for letter in line)


def _visible(letter: str) -> str:
    if unicodedata.category(letter) not in HIDDEN:
        return letter
    return letter.encode("unicode_escape", errors="surrogatepass").decode("ascii")

"""A task as people read it in a tracker: facts in lines of their own, and no text of others that could forge one.

What a task says may quote an alarm, so it is not to be trusted: in Markdown it may neither begin a heading, a quick
action (`/close`), a state line or a comment, nor call people by `@name`.
"""

import hashlib
import re

from firestation.after_action import Task

COMMENT = "<!-- firestation:{mark} -->"
PLAIN = "firestation:{mark}"
FACT = re.compile(r"^(?P<before>[\W_]*(?:state|owner|due|incident)[\W_]*?):", re.IGNORECASE)
BLOCK = re.compile(r"^(?P<indent>\s*)(?P<sign>[#/>=|]|-{2,}|~{2,}|`{2,})")
CALLED = re.compile(r"@(?=\w)")
APART = "@\u2060"  # a word joiner: it looks the same and calls nobody
LINK = re.compile(
    r"\](?=[(:\[])"
)  # apart from what follows, it ends no link, no picture and no definition of one
TITLE_LENGTH = 250


def mark_of(key: str) -> str:
    """The digest by which the product's own search finds what was made by this idempotency key."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def title_of(task: Task) -> str:
    """The title on one line, as short as every product takes it, and calling nobody."""
    title = CALLED.sub(APART, " ".join(_shown(task.title).split())) or "(no title)"
    return title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1]}…"


def facts(task: Task) -> list[str]:
    """Incident, owner and due as lines. They stand in the text also where the product has a field for them."""
    found = [f"Incident: {task.incident}, {task.kind}"]
    if task.owner:
        found.append(f"Owner: {quoted(' '.join(task.owner.split()))}")
    if task.due:
        found.append(f"Due: {task.due:%Y-%m-%d %H:%M} UTC")
    return found


def markdown(text: str, lines: list[str], mark: str) -> str:
    """Text of a product that shows Markdown, with its mark in a comment at the end."""
    return "\n\n".join(part for part in (quoted(text), "  \n".join(lines), COMMENT.format(mark=mark)) if part)


def quoted(text: str) -> str:
    """Text in Markdown that is only text where it could be more than words."""
    return "\n".join(_quoted(line) for line in _shown(text).splitlines())


def has_mark(text: str | None, mark: str, form: str = COMMENT) -> bool:
    """Whether a line of this is the mark, as we wrote it."""
    wanted = form.format(mark=mark)
    return any(line.strip() == wanted for line in (text or "").splitlines())


def plain(text: str) -> str:
    """Text where nothing is read as markup: as it is, and no line of it is a mark."""
    return "\n".join(line.replace("firestation:", "firestation\u2060:") for line in _shown(text).splitlines())


def _quoted(line: str) -> str:
    line = BLOCK.sub(r"\g<indent>\\\g<sign>", line)
    line = FACT.sub(r"\g<before>\\:", line)
    # `&#64;ana` is `@ana` once it is shown, and the picture in `![](URL)` is fetched by everybody who looks.
    line = LINK.sub("]\u2060", line.replace("&", "&amp;").replace("<", "&lt;"))
    return CALLED.sub(APART, line)


def _shown(text: str) -> str:
    """Lines end as lines, and nothing else is there that does not show."""
    lines = text.splitlines() or [text]
    return "\n".join("".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines)

"""The verdict as a page for people: one sheet first, no script, nothing from elsewhere, and fit to be printed."""

from collections.abc import Iterable, Iterator
from html import escape

from firestation.model import count
from firestation.verdict import CHECKS, Found, Verdict

STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.4 system-ui, sans-serif; color: #111; background: #fff; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 1.1rem 0 .3rem; }
.verdict { border: 2px solid; border-radius: 6px; padding: .8rem 1rem; margin: 1rem 0; font-size: 1.15rem; }
.kept { border-color: #1a7f37; } .record { border-color: #9a6700; } .broken { border-color: #b3261e; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
  padding: .22rem .5rem; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
th { font-weight: 600; width: 42%; } code { font-family: ui-monospace, monospace; font-size: .9em; }
.where { color: #555; font-size: .9em; }
@media print { body { margin: 0; max-width: none; font-size: 11px; line-height: 1.25; }
  tr, .verdict { break-inside: avoid; }
  section.more { break-before: page; } }
"""
CLASSES = {"kept": "kept", "on the record": "record", "broken": "broken"}
FIRST_SHEET = 12
"""So many findings stand on the first sheet; the others follow after it."""


def page(verdict: Verdict) -> str:
    """The whole document. Everything that came with the bundle is escaped."""
    title = f"Audit of {verdict.incident or verdict.bundle}"
    first = "\n".join(_first(verdict))
    more = "\n".join(_more(verdict))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        f"<h1>{_text(title)}</h1>\n{first}\n{more}\n</body></html>\n"
    )


def _first(verdict: Verdict) -> Iterator[str]:
    yield f'<p class="verdict {CLASSES[verdict.verdict]}"><strong>{_text(verdict.headline)}</strong></p>'
    yield "<h2>What was verified</h2>"
    yield _table(_facts(verdict))
    broken, recorded = verdict.broken, verdict.on_the_record
    if broken:
        yield f"<h2>What is broken ({len(broken)})</h2>"
        yield _findings(broken[:FIRST_SHEET])
    yield f"<h2>What was broken and stands on the record ({len(recorded)})</h2>"
    yield _findings(recorded[:FIRST_SHEET]) if recorded else "<p>Nothing.</p>"
    yield "<h2>What was kept</h2>"
    yield (
        _table((CHECKS[each.check], each.what) for each in verdict.held)
        if verdict.held
        else "<p>Nothing.</p>"
    )
    yield "<h2>What could not be checked</h2>"
    yield (
        "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in verdict.unchecked) + "</ul>"
        if (verdict.unchecked)
        else "<p>Nothing was left out.</p>"
    )


def _facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "Bundle", verdict.bundle
    yield "Incident", f"{verdict.incident or 'not known'}, {verdict.standing or 'nobody vouches for more'}"
    if verdict.counts:
        counts = verdict.counts
        told = f"{count(counts.runs, 'run')}, {counts.events} raw events, {counts.record} entries of the record, "
        told += f"{counts.refused} refused, {count(counts.artifacts, 'artifact')}, "
        told += f"{count(counts.decisions, 'decision')}, {counts.signed} of them signed"
        yield "Counts", told
    yield "Signed by the key", verdict.key or "none that the verifier trusts"
    yield "Written by", f"firestation {verdict.made_by}" if verdict.made_by else "not known"
    yield "Run by", ", ".join(verdict.ran) or "not known"
    yield "Verified by", f"firestation {verdict.verified_by}"


def _more(verdict: Verdict) -> Iterator[str]:
    """What did not fit on the first sheet."""
    for title, found in (("Broken", verdict.broken), ("On the record", verdict.on_the_record)):
        if len(found) > FIRST_SHEET:
            yield f'<section class="more"><h2>{title}, continued</h2>{_findings(found[FIRST_SHEET:])}</section>'


def _findings(found: Iterable[Found]) -> str:
    rows = []
    for each in found:
        rule = f"Rule {each.rule}, {each.title}" if each.rule else each.title
        where = f'<div class="where">{_text(each.where)}</div>' if each.where else ""
        rows.append(f"<tr><th>{_text(rule)}</th><td>{_text(each.what)}{where}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    told = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table>{told}</table>"


def _text(text: str) -> str:
    """Text as text: escaped, and without characters that turn or hide what stands beside them."""
    return escape("".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text))

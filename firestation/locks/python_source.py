"""What the lock files in Python have in common, as source: ask, look, and say what does not hold."""

from firestation.locks.case import Case, as_json, plain

HEAD = '''"""A lock that an incident left. It asks the system what was asked then, and expects what was missing then."""

# {title}
#
# Incident {incident}; made from the frozen evidence {artifact}
# sha256:{evidence}
# {story}
#
{usage}
#
# LOCK_URL says which system is asked, LOCK_TOKEN is its bearer token if it needs one.
'''

ASK = '''
METHOD = {method}
URL = os.environ.get("LOCK_URL") or {url}
BODY = {body}
EXPECT = json.loads({expect})
MISSING = object()


def ask():
    """The system's answer."""
    headers = {{"Content-Type": "application/json"}} if BODY is not None else {{}}
    if os.environ.get("LOCK_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["LOCK_TOKEN"]
    response = httpx.request(METHOD, URL, content=BODY, headers=headers, timeout=60)
    response.raise_for_status()
    return response.json()


def value_at(data, steps):
    """What stands there, or MISSING."""
    for step in steps:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return data


def holds(op, found, wanted):
    """Whether one expectation holds."""
    if op == "absent":
        return found is MISSING or found is None
    if found is MISSING or (op == "present" and found is None):
        return False
    try:
        return {{
            "present": lambda: True,
            "equals": lambda: found == wanted,
            "not-equals": lambda: found != wanted,
            "in": lambda: found in wanted,
            "at-least": lambda: found >= wanted,
            "at-most": lambda: found <= wanted,
        }}[op]()
    except TypeError:
        return False


def unmet(answer, expected=EXPECT):
    """What does not hold of the answer, in a line each."""
    lines = []
    for each in expected:
        found = value_at(answer, each["steps"])
        if not holds(each["op"], found, each["value"]):
            shown = "nothing" if found is MISSING else repr(found)[:300]
            lines.append(f"{{each['path']}}: expected {{each['op']}} {{each['value']!r}}, found {{shown}}"[:1000])
    return lines
'''

ASK_JUDGE = '''
JUDGE = os.environ.get("LOCK_JUDGE_URL") or {judge}
RUBRIC = json.loads({rubric})
GOOD = json.loads({good})


def ask_judge(answer):
    """What the team's judge says of the answer. One verdict may be wrong: run this file many times."""
    asked = {{"rubric": RUBRIC, "asked": BODY and json.loads(BODY), "answer": answer}}
    headers = {{"Content-Type": "application/json"}}
    response = httpx.post(JUDGE, content=json.dumps(asked), headers=headers, timeout=60)
    response.raise_for_status()
    return response.json()
'''


def head(case: Case, *usage: str) -> str:
    """The first lines: what this is, where it comes from, how it is run."""
    return HEAD.format(
        title=plain(case.title),
        incident=case.incident,
        artifact=plain(case.artifact),
        evidence=case.evidence,
        story=case.story,
        usage="\n".join(f"#     {line}" for line in usage),
    )


def ask(case: Case) -> str:
    """How the system is asked and its answer judged; with a judge, how that one is asked too."""
    source = ASK.format(
        method=repr(case.method),
        url=ascii(case.url),
        body=ascii(case.body),
        expect=ascii(case.expectations()),
    )
    if case.judge is None:
        return source
    return source + ASK_JUDGE.format(
        judge=ascii(case.judge.url),
        rubric=ascii(as_json(case.judge.rubric)),
        good=ascii(case.judged()),
    )

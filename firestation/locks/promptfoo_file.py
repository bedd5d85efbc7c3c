"""A lock as a promptfoo configuration in JavaScript.

Not in YAML: promptfoo renders each string of a configuration as a template, and `{{ }}` in evidence would be run. Here
evidence stands in functions only, as JSON, where nothing is rendered.
"""

import json
from typing import Any

from firestation.locks.case import Case, as_json, plain
from firestation.locks.tool import Result, Tool

HEAD = """// A lock that an incident left. It asks the system what was asked then, and expects what was missing then.
//
// {title}
//
// Incident {name}; made from the frozen evidence {artifact}
// sha256:{evidence}
// {story}
//
//     promptfoo eval --no-cache -c {name}
//
// LOCK_URL says which system is asked, LOCK_TOKEN is its bearer token if it needs one.

const METHOD = {method};
const URL = process.env.LOCK_URL || {url};
const BODY = {body};
const EXPECT = JSON.parse({expect});
const JUDGE = {judge};
const RUBRIC = {rubric};
const GOOD = JSON.parse({good});
"""

REST = r"""const MISSING = Symbol("missing");

async function call(url, method, body, headers) {
  const signal = AbortSignal.timeout(60_000);
  // What another place answers is no answer of the system.
  const response = await fetch(url, { method, body: body ?? undefined, headers, signal, redirect: "error" });
  if (!response.ok) throw new Error(`HTTP ${response.status} from ${url}: ${(await response.text()).slice(0, 300)}`);
  return JSON.parse(await response.text());
}

// The system, and then the judge if there is one and the rest holds. What cannot be asked is an error, no verdict.
async function system() {
  const headers = BODY === null ? {} : { "Content-Type": "application/json" };
  if (process.env.LOCK_TOKEN) headers.Authorization = `Bearer ${process.env.LOCK_TOKEN}`;
  try {
    const answer = await call(URL, METHOD, BODY, headers);
    let judged = null;
    if (JUDGE !== null && EXPECT.every((each) => wrong(each, answer) === null)) {
      const asked = JSON.stringify({ rubric: RUBRIC, asked: BODY === null ? null : JSON.parse(BODY), answer });
      judged = await call(JUDGE, "POST", asked, { "Content-Type": "application/json" });
    }
    return { output: JSON.stringify({ answer, judged }) };
  } catch (error) {
    return { error: `${error}${error.cause ? `: ${error.cause}` : ""}` };
  }
}

function valueAt(data, steps) {
  for (const step of steps) {
    const items = typeof data === "string" ? [...data] : data;
    if (Array.isArray(items) ? typeof step !== "number" : items === null || typeof items !== "object") return MISSING;
    if (!Array.isArray(items) && typeof step !== "string") return MISSING;
    if (!Object.hasOwn(items, step)) return MISSING;
    data = items[step];
  }
  return data;
}

const number = (value) => (typeof value === "boolean" ? Number(value) : value);

function same(one, other) {
  const [left, right] = [number(one), number(other)];
  if (left === null || right === null || typeof left !== "object" || typeof right !== "object") return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]));
}

// Which of two comes first; undefined when they cannot be compared. Text by its characters, as Python has it.
function order(one, other) {
  const [left, right] = [number(one), number(other)];
  if (typeof left === "number" && typeof right === "number") return Math.sign(left - right);
  if (typeof left !== "string" || typeof right !== "string") return undefined;
  const [a, b] = [[...left], [...right]].map((text) => text.map((each) => each.codePointAt(0)));
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return Math.sign(a[at] - b[at]);
  return Math.sign(a.length - b.length);
}

const OPERATIONS = {
  absent: (found) => found === MISSING || found === null,
  present: (found) => found !== MISSING && found !== null,
  equals: (found, wanted) => found !== MISSING && same(found, wanted),
  "not-equals": (found, wanted) => found !== MISSING && !same(found, wanted),
  in: (found, wanted) => found !== MISSING && wanted.some((each) => same(found, each)),
  "at-least": (found, wanted) => order(found, wanted) >= 0,
  "at-most": (found, wanted) => order(found, wanted) <= 0,
};

// What does not hold, in a line; null when it holds.
function wrong(each, answer) {
  const found = valueAt(answer, each.steps);
  if (OPERATIONS[each.op](found, each.value)) return null;
  const shown = found === MISSING ? "nothing" : JSON.stringify(found).slice(0, 300);
  return `${each.path}: expected ${each.op} ${JSON.stringify(each.value)}, found ${shown}`.slice(0, 1000);
}

const verdict = (reason) => ({ pass: reason === null, score: reason === null ? 1 : 0, reason: reason ?? "it holds" });

const assert = EXPECT.map((each) => ({
  type: "javascript",
  value: (output) => verdict(wrong(each, JSON.parse(output).answer)),
}));
for (const each of GOOD) {
  const judged = (output) => JSON.parse(output).judged;
  assert.push({
    type: "javascript",
    value: (output) => verdict(judged(output) === null ? "the judge was not asked" : wrong(each, judged(output))),
  });
}

export default {
  description: "A lock that an incident left",
  prompts: ["what was asked then"],
  providers: [Object.assign(system, { label: "system" })],
  tests: [{ description: "What went wrong then does not go wrong", assert }],
};
"""


def write(case: Case) -> str:
    """The file."""
    judge = case.judge
    start = HEAD.format(
        title=plain(case.title),
        incident=case.incident,
        artifact=plain(case.artifact),
        evidence=case.evidence,
        story=case.story,
        name=TOOL.file_name(case),
        method=as_json(case.method),
        url=as_json(case.url),
        body=as_json(case.body),
        expect=as_json(case.expectations()),
        judge=as_json(judge.url) if judge else "null",
        rubric=as_json(judge.rubric) if judge else "null",
        good=as_json(case.judged()),
    )
    return start + REST


def read(report: bytes, case: Case) -> Result:
    """Judge an output file: one test, in which each expectation was asserted."""
    wanted = len(case.expect) + (len(case.judge.passes) if case.judge else 0)
    try:
        (result,) = json.loads(report)["results"]["results"]
        success, reason = result["success"], result["failureReason"]
        if reason not in {0, 1} or success is not (reason == 0):
            return "error", _said(result.get("error") or "it could not be run")
        graded = result["gradingResult"]["componentResults"]
        passes = [each["pass"] for each in graded]
        if len(passes) != wanted or success is not all(each is True for each in passes):
            return "error", f"it asserted {len(passes)} times, and not the {wanted} that are expected"
        said = "; ".join(each["reason"] for each in graded if not each["pass"]) or "what is expected holds"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return "error", f"its report cannot be read: {type(error).__name__} {_said(error)}"
    return ("passed" if success else "failed"), _said(said)


def _said(text: Any) -> str:
    return str(text)[:2000]


TOOL = Tool(
    program="promptfoo",
    package="pkg:npm/promptfoo",
    media_type="text/javascript",
    file="lock_{name}.mjs",
    write=write,
    arguments=("eval", "-c", "{file}", "--no-cache", "--no-table", "--no-progress-bar", "-o", "report.json"),
    environment={
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
        "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
        "PROMPTFOO_DISABLE_SHARING": "1",
        "PROMPTFOO_CONFIG_DIR": "promptfoo",
        "NO_COLOR": "1",
    },
    report="report.json",
    read=read,
)

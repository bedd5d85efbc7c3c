"""The gateway, seen from a terminal: HTTP in, our values and our errors out."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from firestation.bell.view import Bells
from firestation.errors import (
    ORDER,
    Denied,
    FirestationError,
    Gone,
    InvalidInput,
    Nonsense,
    Refused,
    Unreachable,
)
from firestation.follow_words import FollowPicture
from firestation.model import Model
from firestation.picture import Picture
from firestation.waits import Wait
from firestation.watch.view import DetectorView

INCIDENT = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,80}$")
WHOLE = re.compile(r"-[0-9a-f]{8}$")  # how firestation.alarm.incident_id ends them all
SECONDS = 30.0
READY_SECONDS = 6.0
BUNDLE_SECONDS = 1800.0
TRIES = 5
PAUSE_SECONDS = 1.0
M = TypeVar("M", bound=Model)
T = TypeVar("T")
DOCUMENT = {"incident", "version", "kind", "by", "at", "etag", "text"}


class Newer(FirestationError):
    """There is a newer version than the one that was begun from."""


class Unanswered(Unreachable):
    """It was sent, and nobody knows what became of it. `said` is what the station said."""

    def __init__(self, said: str, todo: str = "Try again in a moment") -> None:
        super().__init__(f"{said}. {todo}")
        self.said = said


class Gateway:
    """A client of one station's gateway, speaking as whoever owns the token.

    `tell` is told of each attempt that was not answered; who gives one has time, so that looks are repeated too. An act
    is repeated in any case.
    """

    def __init__(self, url: str, token: str | None, tell: Callable[[str], None] | None = None) -> None:
        self.tell, self.patient = tell, tell is not None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise InvalidInput(
                "--url", f"{url[:80]!r} is no address of HTTP", "Write it like http://127.0.0.1:8420"
            )
        try:
            self.http = httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise InvalidInput("--url", str(error), "Write it like http://127.0.0.1:8420") from error

    def incidents(self, *, only_open: bool) -> list[dict[str, Any]]:
        """One line an incident, as the station lists them."""
        answer = self._ask("GET", "/incidents", params={"open": "true"} if only_open else {})
        found = answer.get("incidents") if isinstance(answer, dict) else answer
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Nonsense(f"{self.url}/incidents did not answer with a list of incidents; is it a station?")
        return found

    def same_fire(self, incident: str) -> list[str]:
        """The other open incidents that may be the same fire; none from a station that cannot say."""
        try:
            answer = self._asked("GET", f"/incidents/{_segment(incident)}/same-fire")
            return [str(each["incident"]) for each in answer["incidents"]]
        except (FirestationError, LookupError, TypeError):
            return []

    def locks(self, system: str | None) -> dict[str, Any]:
        """The wall of locks, of one system or of all, as the station tells it."""
        answer = self._ask("GET", "/locks", params={"system": system} if system else {})
        if not isinstance(answer, dict) or not isinstance(answer.get("locks"), list):
            raise Nonsense(f"{self.url}/locks did not answer with a wall of locks; is it a station?")
        return answer

    def detectors(self, system: str | None) -> list[DetectorView]:
        """The watch, of one system or of all."""
        answer = self._ask("GET", "/detectors", params={"system": system} if system else {})
        return _shown(answer, "detectors", DetectorView, "the station's detectors")[0]

    def bells(self) -> Bells:
        """The bells of the station file, as its gateway heard them."""
        answer = self._ask("GET", "/bells")
        try:
            return Bells.model_validate(answer)
        except ValidationError as error:
            problem = "the station's bells cannot be read"
            raise Nonsense(f"{problem}: use the firestation command of the station's own version") from error

    def picture(self, incident: str) -> Picture:
        """Everything that is known of one incident."""
        answer = self._ask("GET", f"/incidents/{_segment(incident)}")
        try:
            return Picture.model_validate(answer)
        except ValidationError as error:
            where = ".".join(str(step) for step in error.errors()[0]["loc"])
            raise Nonsense(
                f"the station's picture of {incident} cannot be read (at {where}): "
                "use the firestation command of the station's own version"
            ) from error

    def find(self, prefix: str) -> str:
        """The id of the incident that this is, or that alone begins so.

        Raises `Gone` when there is none, `InvalidInput` when it is no id or several begin so.
        """
        if not INCIDENT.match(prefix):
            fix = "Copy one from: firestation incidents --all"
            raise InvalidInput("incident", f"{prefix[:80]!r} is not the id of an incident", fix)
        if WHOLE.search(prefix):
            return prefix
        names = [str(each.get("incident", "")) for each in self.incidents(only_open=False)]
        found = sorted({name for name in names if name.startswith(prefix)})
        if not found:
            raise Gone(f"no incident begins with {prefix!r}. See what there is: firestation incidents --all")
        if len(found) > 1:
            fix = f"Write more of it: {', '.join(found[:5])}"
            raise InvalidInput("incident", f"{len(found)} incidents begin with {prefix!r}", fix)
        return found[0]

    def tasks(self, incident: str | None, *, only_open: bool) -> tuple[list[FollowPicture], list[str]]:
        """The tasks of one incident, or of all; and those who follow some up and cannot be shown now."""
        path = f"/incidents/{_segment(incident)}/tasks" if incident else "/tasks"
        answer = self._ask("GET", path, params={"open": "true"} if only_open and not incident else {})
        return _shown(answer, "incidents", FollowPicture, "the station's tasks")

    def finish(self, incident: str, task: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Say that a task is done. Raises `Refused` with what is missing."""
        return self.act(incident, f"tasks/{_segment(task)}/finish", fields)

    def evidence(self, incident: str, digest: str) -> Iterator[bytes]:
        """One piece of evidence, as it comes. Raises `Nonsense` at its end when it is not that of the digest."""
        path = f"/incidents/{_segment(incident)}/evidence/{_segment(digest)}"
        found = hashlib.sha256()
        try:
            with self.http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    body = _body(answer)
                    raise _problem(answer, body if isinstance(body, dict) else {})
                for piece in answer.iter_bytes():
                    found.update(piece)
                    yield piece
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if found.hexdigest() != digest:
            raise Nonsense(f"the station's bytes of {digest[:12]} have another digest: they were altered")

    def postmortem(self, incident: str, version: int | None = None) -> dict[str, Any]:
        """The postmortem of an incident, or an earlier version of it."""
        wanted = {"version": str(version)} if version else {}
        return self._document(self._answer("GET", _postmortem(incident), params=wanted))

    def write_postmortem(self, incident: str, text: str, etag: str) -> dict[str, Any]:
        """Keep what was made of the version of this ETag. Raises `Newer` when there is another one by now."""
        headers = {"If-Match": etag}
        answer = self._answer("PUT", _postmortem(incident), json={"text": text}, headers=headers)
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            raise Newer
        return self._document(answer)

    def _document(self, answer: httpx.Response) -> dict[str, Any]:
        body = _body(answer)
        if not answer.is_success:
            raise _problem(answer, body if isinstance(body, dict) else {})
        if not isinstance(body, dict) or not body.keys() >= DOCUMENT:
            raise Nonsense(f"{self.url} did not answer with a postmortem; is it a station of this version?")
        return body

    @contextmanager
    def bundle(self, incident: str, *, digests_only: bool) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bundle of an incident, as it comes: how many bytes there are, and the bytes in pieces."""
        path = f"/incidents/{_segment(incident)}/bundle"
        params = {"digests_only": "true"} if digests_only else {}
        try:
            # The station reads all the evidence through before it answers.
            with self.http.stream("GET", path, params=params, timeout=BUNDLE_SECONDS) as answer:
                if not answer.is_success:
                    answer.read()
                    body = _body(answer)
                    raise _problem(answer, body if isinstance(body, dict) else {})
                yield int(answer.headers.get("Content-Length", 0)), answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def act(self, incident: str, act: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Do something in an incident. Raises `Refused` with the rule and what is missing."""
        path = f"/incidents/{_segment(incident)}/{act}"
        return _accepted(self.url, self._once(path, fields, f"firestation show {incident}"))

    def _once(self, path: str, fields: Mapping[str, Any], look: str) -> Any:
        """Send it, again and again while nobody answers: under one key, so that it is done once.

        `look` is where to see whether it was done. Raises `Unanswered`, which says so, when nobody knows in the end.
        """
        key, lost = {"Idempotency-Key": uuid.uuid4().hex}, False

        def send() -> Any:
            nonlocal lost
            try:
                return self._ask("POST", path, json=fields, headers=key)
            except Unanswered:
                lost = True
                raise

        try:
            return self._again(send, Unreachable)
        except Unreachable as error:
            if not lost:
                raise
            raise Unanswered(
                _said(error), f"It may have been done all the same. Look before you type it again: {look}"
            ) from error

    def _again(self, send: Callable[[], T], expected: type[Unreachable]) -> T:
        """What is answered, after some attempts perhaps."""
        for tried in range(1, TRIES):
            try:
                return send()
            except expected as error:
                if self.tell:
                    self.tell(f"{_said(error)}. I try again, {tried + 1} of {TRIES}")
                time.sleep(PAUSE_SECONDS)
        return send()

    def ring(self, alarm: Mapping[str, Any]) -> dict[str, Any]:
        """Ring the alarm bell."""
        # Sent again it is the same alarm again, by its id.
        same = f"The same alarm is not rung twice: type it again with --id {alarm.get('id')}"
        try:
            answer = self._again(lambda: self._ask("POST", "/alarms/generic", json=alarm), Unanswered)
        except Unanswered as error:
            raise Unanswered(error.said, f"It may have rung all the same. {same}") from error
        if not isinstance(answer, dict) or "incidents" not in answer:
            raise Nonsense(f"{self.url} did not answer like a station; is the address right?")
        return answer

    def attach(self, name: str, content: bytes) -> dict[str, Any]:
        """Keep a file as evidence for an alarm; what the alarm names it by."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._told(
            "POST", "/attachments", {"digest"}, params={"name": name}, content=content, headers=headers
        )

    def spool(self) -> dict[str, Any]:
        """What this gateway is still to tell Temporal, and what it could not tell."""
        return self._told("GET", "/alarms/spool", {"waiting", "untold"})

    def drills(self, system: str | None = None) -> dict[str, Any]:
        """What is held of drills now, what was held, and how ready that makes each system, as the station tells it."""
        return self._told(
            "GET", "/drills", {"running", "results"}, params={"system": system} if system else {}
        )

    def order_drill(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a drill; where it is."""
        answer = self._once("/drills", fields, "firestation drill report")
        return self._like_ours(answer, "/drills", {"mark"})

    def stop_drill(self, drill: str) -> dict[str, Any]:
        """Let a drill be over; where it was."""
        path = f"/drills/{_segment(drill)}/stop"
        return self._like_ours(self._once(path, {}, "firestation drill report"), path, {"mark"})

    def schedules(self) -> dict[str, Any]:
        """The drills that come by themselves."""
        return self._told("GET", "/drills/schedules", {"schedules"})

    def schedule_drill(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Let a drill come by itself; its schedule."""
        return self._told("POST", "/drills/schedules", {"name"}, json=fields)

    def unschedule_drill(self, name: str) -> dict[str, Any]:
        """Let it come no more; its schedule."""
        return self._told("DELETE", f"/drills/schedules/{_segment(name)}", {"name"})

    def _told(self, method: str, path: str, fields: set[str], **request: Any) -> dict[str, Any]:
        return self._like_ours(self._ask(method, path, **request), path, fields)

    def _like_ours(self, answer: Any, path: str, fields: set[str]) -> dict[str, Any]:
        if not isinstance(answer, dict) or not answer.keys() >= fields:
            raise Nonsense(f"{self.url}{path} did not answer like a station of this version")
        return answer

    def waits(self) -> tuple[list[Wait], list[str], bool]:
        """What waits for a person; what does and cannot be shown now; and whether still others wait."""
        answer = self._ask("GET", "/triage")
        found, not_shown = _shown(answer, "waiting", Wait, "what waits at the station")
        return found, not_shown, bool(answer.get("more"))

    def decide(self, incident: str, word: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Open or dismiss what waits for a person. Raises `Refused` with what is missing."""
        path = f"/triage/{_segment(incident)}/{word}"
        return _accepted(self.url, self._once(path, fields, "firestation triage"))

    def ready(self) -> bool:
        """Whether the station takes alarms now."""
        try:
            return self.http.get("/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def spooling(self) -> bool:
        """Whether the station keeps alarms and can tell nobody of them now."""
        try:
            found = _body(self.http.get("/readyz", timeout=READY_SECONDS))
        except httpx.HTTPError:
            return False
        return isinstance(found, dict) and found.get("status") == "spooling"

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        if method == "GET" and self.patient:
            return self._again(lambda: self._asked(method, path, **request), Unanswered)
        return self._asked(method, path, **request)

    def _asked(self, method: str, path: str, **request: Any) -> Any:
        answer = self._answer(method, path, **request)
        body = _body(answer)
        if answer.is_success and body is not None:
            return body
        raise _problem(answer, body if isinstance(body, dict) else {})

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self.http.request(method, path, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
            return Unanswered(
                f"the station at {self.url} is there, and has not answered within {SECONDS:.0f} s",
                f"See whether it is ready: {self.url}/readyz",
            )
        detail = str(error) or type(error).__name__
        return Unreachable(
            f"no answer from the station at {self.url} ({detail}). Start it with: firestation up; "
            "or say where it is with --url or FIRESTATION_URL"
        )


def _said(error: Unreachable) -> str:
    """What was in the way, without what to do."""
    return error.said if isinstance(error, Unanswered) else str(error)


def _accepted(url: str, answer: Any) -> dict[str, Any]:
    """The answer to what was accepted. Raises `Refused` for any other, `Nonsense` for none of a station's."""
    if not isinstance(answer, dict):
        raise Nonsense(f"{url} did not answer like a station; is the address right?")
    if answer.get("accepted") is False:
        raise _refusal(answer)
    return answer


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def _postmortem(incident: str) -> str:
    return f"/incidents/{_segment(incident)}/postmortem"


def _shown(answer: Any, name: str, model: type[M], what: str) -> tuple[list[M], list[str]]:
    """What is listed under this name; and those that the station knows and cannot show now."""
    try:
        found = [model.model_validate(each) for each in answer[name]]
        return found, [str(each) for each in answer.get("not_shown", ())]
    except (ValidationError, LookupError, TypeError, AttributeError) as error:
        raise Nonsense(
            f"{what} cannot be read ({type(error).__name__}): "
            "use the firestation command of the station's own version"
        ) from error


def _segment(text: str) -> str:
    return quote(text, safe="")


def _problem(answer: httpx.Response, body: dict[str, Any]) -> Exception:
    """Our error for an answer that is none of success: RFC 9457 problem details, or whatever came."""
    detail = str(body.get("detail") or body.get("title") or f"HTTP {answer.status_code}")
    match answer.status_code:
        case 401:
            return Denied(
                f"the station does not know you: {detail}. Say who you are with --as NAME or FIRESTATION_AS; "
                "your token is read from FIRESTATION_TOKEN or from tokens/NAME in the station's state folder"
            )
        case 403:
            return Denied(f"not allowed: {detail}")
        case 404:
            # What the station itself says where to look is better than our guess.
            there = "" if "firestation " in detail else ". See what there is: firestation incidents --all"
            return Gone(f"{detail}{there}")
        case 409:
            return _refusal(body)
        case 400 | 413 | 415 | 422:
            return _invalid(body, detail)
        case 429:
            return Unreachable(f"the station cannot do it now: {detail}. Try again in a moment")
        case 502 | 503 | 504:
            return Unanswered(f"the station cannot do it now: {detail}")
        case _:
            return Nonsense(f"the station at {answer.url.host} answered HTTP {answer.status_code}: {detail}")


def _refusal(body: dict[str, Any]) -> Refused:
    rule = body.get("rule")
    missing = body.get("missing") or body.get("detail") or "the station did not say why"
    title = body.get("title") or ORDER
    return Refused(rule if isinstance(rule, int) else 0, str(title), str(missing))


def _invalid(body: dict[str, Any], detail: str) -> InvalidInput:
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return InvalidInput(
        str(first.get("field") or "input"),
        str(first.get("problem") or detail).rstrip("."),
        str(first.get("fix") or "See --help for what belongs there"),
    )

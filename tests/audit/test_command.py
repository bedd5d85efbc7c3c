"""`firestation audit export` and `firestation audit verify`, as they are typed."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from firestation.signing import public_pem
from tests.audit.forge import RECORDED, base, case, export, key, pack, told, unpack

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command in an empty folder, with no station and no state."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, **env: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"COLUMNS": "120", **env})

    return call


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """The options that name the keys of the stations."""
    own = tmp_path / "trusted.pub"
    own.write_bytes(public_pem(key("trusted").public_key))
    former = (word for file in sorted(RECORDED.glob("*/station.pub")) for word in ("--former-key", str(file)))
    return ["--key", str(own), *former]


def write(folder: Path, content: bytes) -> str:
    path = folder / "bundle.tar"
    path.write_bytes(content)
    return str(path)


def test_a_rule_that_was_broken_on_the_record_passes_and_says_so(
    run: Run, keys: list[str], tmp_path: Path
) -> None:
    bundle = write(tmp_path, base("waived"))
    done = run("audit", "verify", bundle, *keys, "--html", "r.html", "--sarif", "r.sarif")
    assert done.exit_code == 0, done.output
    assert "PASSED: a rule was broken, and it stands on the record." in done.stdout
    assert "broken, and on the record  rule 9" in " ".join(done.stdout.split("\n"))
    assert "The workflow's code decides again as it decided then." in done.stdout
    assert "... replaying 1 run" in done.stderr
    assert "PASSED" in (tmp_path / "r.html").read_text()
    assert len(json.loads((tmp_path / "r.sarif").read_text())["runs"][0]["results"]) == 1


def test_code_that_decides_otherwise_is_broken(run: Run, keys: list[str], tmp_path: Path) -> None:
    given = case("closed")
    for event in given.events:
        order = event.get("activityTaskScheduledEventAttributes")
        if order and order["activityType"]["name"] == "keep":
            order["activityType"]["name"] = "keep_draft"
    done = run("audit", "verify", write(tmp_path, export(given)), *keys, "--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout)["found"]
    assert (found["check"], found["file"]) == ("replay", "histories/incident/0001.json")
    assert found["event_id"]


def test_what_was_altered_is_broken_and_nothing_is_replayed(
    run: Run, keys: list[str], tmp_path: Path
) -> None:
    content = base("closed").replace(b"wrong refunds leave", b"fewer refunds leave", 1)
    done = run("audit", "verify", write(tmp_path, content), *keys)
    assert done.exit_code == 1
    assert "BROKEN  completeness: it was altered" in done.stdout
    assert "replaying" not in done.stderr


def test_a_key_must_be_named_and_the_states_own_is_taken(run: Run, tmp_path: Path) -> None:
    files = unpack(base("closed"))
    bundle = write(tmp_path, pack(files))
    done = run("audit", "verify", bundle, "--json")
    assert done.exit_code == 2
    assert "not from the bundle" in json.loads(done.stdout)["fix"]
    for name in (".firestation", "state"):
        (tmp_path / name / "keys").mkdir(parents=True)
        known = (RECORDED / "closed" / "station.pub").read_bytes()
        (tmp_path / name / "keys" / "station.pub").write_bytes(known)
    done = run("audit", "verify", bundle, "--json")
    assert done.exit_code == 2, "what lies beside a bundle may have come with it"
    assert json.loads(done.stdout)["problem"] == "no key was named to trust"
    done = run("--state", "state", "audit", "verify", bundle, "--json")
    assert "trusted: state/keys/station.pub (" in done.stderr
    assert done.exit_code == 1
    assert "cannot vouch for itself" in json.loads(done.stdout)["found"][0]["what"]


@pytest.mark.parametrize("content", [b"", b"no bundle" * 1000])
def test_what_is_no_bundle_is_wrong_input(run: Run, keys: list[str], tmp_path: Path, content: bytes) -> None:
    assert run("audit", "verify", write(tmp_path, content), *keys).exit_code == 2
    assert run("audit", "verify", str(tmp_path / "nothing.tar"), *keys).exit_code == 2


def test_another_code_is_not_the_pinned_one(run: Run, keys: list[str], tmp_path: Path) -> None:
    done = run("audit", "verify", write(tmp_path, base("burning")), *keys, "--against", "pinned", "--json")
    assert done.exit_code == 2
    assert "the incident was run by 0.1.0+" in json.loads(done.stdout)["problem"]


# Export ------------------------------------------------------------------------------------------------------


@pytest.fixture
def station() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A station that answers with a bundle, or with what the test has put in its place."""
    given = {"bundle": base("closed"), "length": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            length = given["length"].decode() or str(len(given["bundle"]))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(given["bundle"])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", given
        finally:
            server.shutdown()
            thread.join()


def test_it_is_written_once_under_the_incidents_name(
    run: Run, station: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    incident = told(unpack(base("closed"))).incident
    words = ("--url", station[0], "audit", "export", incident, "--json")
    done = run(*words)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (tmp_path / said["bundle"]).read_bytes() == base("closed")
    assert (tmp_path / said["bundle"]).stat().st_mode & 0o777 == 0o600  # decrypted, and everything is in it
    assert (said["bundle"], said["standing"]) == (f"{incident}.tar", "ended: closed")
    assert run(*words).exit_code == 2
    assert (tmp_path / said["bundle"]).read_bytes() == base("closed")


@pytest.mark.parametrize("broken", ["cut", "no bundle"])
def test_what_is_not_whole_is_not_left_behind(
    run: Run, station: tuple[str, dict[str, bytes]], tmp_path: Path, broken: str
) -> None:
    url, given = station
    if broken == "cut":
        given["length"] = str(len(given["bundle"]) + 1).encode()
    else:
        given["bundle"] = b"<html>" * 1000
    done = run("--url", url, "audit", "export", "refund-agent-1a2b3c4d", "--out", "b.tar")
    assert done.exit_code not in {0, 70}
    assert list(tmp_path.iterdir()) == []

"""Login through a real OpenID provider in a real browser, and an act by the session that it opens."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.products import node
from tests.e2e.processes import ROOT, Station, a_station, an_agent, free_port, needs, running, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SCRIPTS = Path(__file__).parent / "login"
MODULES = ROOT / ".venv" / "unleash" / "login"
NARROW = 360
LOGIN = """
login:
  issuer: {issuer}
  client_id: firestation
  client_secret: file:{secret}
  claim: email
  title: Example SSO
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("login")


@pytest.fixture(scope="module")
def provider(folder: Path) -> Iterator[tuple[str, int, str]]:
    """The provider's address, the port of the gateway that it sends people back to, and the client's secret."""
    if not (MODULES / "node_modules").exists():
        message = f"{MODULES} has no oidc-provider; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    port, gateway, secret = free_port(), free_port(), secrets.token_urlsafe(24)
    command = [node(), str(SCRIPTS / "provider.mjs"), str(MODULES), str(port)]
    command += [f"http://127.0.0.1:{gateway}/login/callback", secret]
    with running(command, folder, "provider"):
        wait_for("the provider", lambda: "ready at" in (folder / "provider.log").read_text(), 60)
        yield f"http://127.0.0.1:{port}", gateway, secret


@pytest.fixture(scope="module")
def station(folder: Path, provider: tuple[str, int, str]) -> Iterator[tuple[Station, str]]:
    """A station that knows Ana by her email address, and an incident of it."""
    issuer, port, secret = provider
    with an_agent(folder / "agent") as agent:
        known = "    address: ana@example.org\n"
        changes = {
            known: f"{known}    login: ana@example.org\n",
            "\nbells:": LOGIN.format(issuer=issuer, secret=folder / "secret") + "bells:",
        }
        (folder / "secret").write_text(secret)
        url = f"http://127.0.0.1:{port}"
        with a_station(folder / "station", agent, station_changes=changes, public_url=url) as station:
            agent.fault("stale_policy")
            yield station, agent.ring(station)


@pytest.fixture(scope="module")
def facts(folder: Path, station: tuple[Station, str]) -> dict[str, Any]:
    """What happened in the browser; screenshots at 360 px lie beside."""
    chromium = needs("chromium", "chromium")
    place, incident = station
    shots = folder / "shots"
    shots.mkdir()
    command = [node(), str(SCRIPTS / "browse.mjs"), str(MODULES), chromium, place.url, incident]
    done = subprocess.run(
        [*command, place.token("cara"), str(shots)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_who_the_provider_knows_and_the_station_too_comes_in(
    facts: dict[str, Any], station: tuple[Station, str]
) -> None:
    assert facts["first"]["path"] == "/login"
    home = facts["home"]
    assert (home["path"], home["heading"]) == ("/", "Ana Reyes")
    assert "captain, scribe, approver" in home["text"]
    assert station[1] in home["text"]
    for word in ("Severity", "Phase", "Captain", "Waits for"):
        assert word in home["text"]


def test_the_cookie_is_for_no_script_and_the_visit_is_over(facts: dict[str, Any]) -> None:
    kept = {each["name"]: each for each in facts["cookies"]}
    session = kept["firestation"]
    assert re.fullmatch(r"fss_[a-z2-7]{10}_[a-z2-7]{52}", session["value"])
    assert (session["httpOnly"], session["sameSite"], session["secure"]) == (True, "Lax", False)


def test_an_act_by_session_is_done_from_our_own_form_only(
    facts: dict[str, Any], station: tuple[Station, str]
) -> None:
    assert [facts[name]["status"] for name in ("unsigned", "foreign", "signed")] == [403, 403, 200], facts
    place, incident = station
    written = [each.text for each in place.picture(incident).timeline if "seen from a browser" in each.text]
    assert len(written) == 1
    assert "ana" in written[0]


def test_the_form_of_another_site_does_nothing(facts: dict[str, Any]) -> None:
    assert "sent from another site" in facts["forged"]["text"]
    assert facts["still"]["heading"] == "Ana Reyes"


def test_logging_out_ends_the_session_for_a_copy_of_its_cookie_too(facts: dict[str, Any]) -> None:
    assert "firestation" not in facts["after"]
    assert facts["copied"]["path"] == "/login"


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("stranger", "mallory@example.org, but nobody of this station has that login"),
        ("impostor", "has not verified your email address"),
    ],
)
def test_whom_the_station_does_not_know_is_refused_with_words(
    facts: dict[str, Any], who: str, says: str
) -> None:
    assert says in facts[who]["text"]
    assert "firestation" not in facts["strangers"]


def test_a_token_opens_a_session_where_there_is_no_provider(facts: dict[str, Any]) -> None:
    assert "Nobody here has this token" in facts["wrong"]["text"]
    assert (facts["typed"]["path"], facts["typed"]["heading"]) == ("/", "Cara Lindqvist")


def test_every_page_fits_a_small_telephone_and_breaks_no_policy(facts: dict[str, Any]) -> None:
    assert set(facts["widths"]) == {"login", "home", "refused", "wrong"}
    assert all(width <= NARROW for width in facts["widths"].values()), facts["widths"]
    assert facts["complaints"] == []


def test_no_secret_is_in_a_log_or_in_the_register(
    facts: dict[str, Any], folder: Path, station: tuple[Station, str], provider: tuple[str, int, str]
) -> None:
    place, _ = station
    (session,) = [each["value"] for each in facts["cookies"] if each["name"] == "firestation"]
    hidden = [session, place.token("cara"), place.token("ana")]
    hidden = [each.rsplit("_", 1)[1] for each in hidden] + [provider[2]]
    logs = list((folder / "station").rglob("*.log"))
    kept = [path for path in (folder / "station/access").rglob("*") if path.is_file()]
    said = "".join(path.read_text(errors="replace") for path in (*logs, *kept))
    assert "a session was opened" in said
    assert "an unknown caller was turned away" in said
    assert not [each for each in hidden if each in said]

"""A credential is found in every text of a value, wherever it stands; and what is none is let by."""

import pytest

from firestation import acts
from firestation.acts import Note
from firestation.credentials import SECRETS, holds_credential
from firestation.logging import MASK, mask
from tests.property.worlds import World, alarm

BODY = "A1b2C3d4" * 6
CREDENTIALS = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws-session": "ASIA" + "IOSFODNN7EXAMPLE",
    "github": f"ghp_{BODY[:36]}",
    "github-fine": f"github_pat_{BODY[:22]}_{BODY}",
    "gitlab": f"glpat-{BODY[:20]}",
    "openai": f"sk-proj-{BODY}",
    "slack": f"xoxb-{BODY}",
    "jwt": f"eyJ{BODY}.eyJ{BODY}.{BODY}",
    "ours": "fst_" + "a2" * 5 + "_" + "b3" * 26,
    "the link of a page": "fsl_" + "aB3-" * 20,
    "bearer": f"Bearer {BODY}",
    "pgp": "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
    "pem": "-----BEGIN RSA " + "PRIVATE KEY-----",
}
NONE = [
    "ASIAPACIFICSOUTHEAST",
    "the regions are ASIAPACIFICSOUTHEAST and EUROPE",
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t",
    "sk-ecdsa-sha2-nistp256@openssh.com AAAA",
    "task-queue-of-the-refund-agent-in-production",
    "ask for github_pat_, glpat- or ghp_ tokens in the vault",
    "a request without a bearer\nfirestation-gateway-7d9f8c6b54-x2x4z answered 401",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    "-----BEGIN SSH SIGNATURE-----",
]
AROUND = ["{}", "first line\n{}\nlast", "tab\t{}", "key_{}", "KEY={} ", '{{"log": "failed\\n{}"}}', "({})_"]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("kind", sorted(CREDENTIALS))
def test_it_is_found_whatever_stands_around_it(kind: str, around: str) -> None:
    said = around.format(CREDENTIALS[kind])
    assert holds_credential(Note(by="ana", text=said))
    assert holds_credential(alarm().changed(labels={"a": said}))
    assert holds_credential(alarm().changed(annotations={said: "a"}))
    assert holds_credential(alarm().changed(queries=("fine", said)))
    for event in ({"event": said}, {"where": {"deep": [said]}}, {"where": {said: "a"}}):
        assert MASK in str(mask(None, "info", event))
        assert CREDENTIALS[kind] not in str(mask(None, "info", event))


@pytest.mark.parametrize("said", NONE)
def test_what_is_none_is_let_by(said: str) -> None:
    assert not SECRETS.search(said)
    assert not holds_credential(Note(by="ana", text=said))


@pytest.mark.parametrize(("edition", "rule"), [(3, 11), (2, None)])
def test_several_lines_are_refused_where_the_incident_is_of_this_edition(
    edition: int, rule: int | None
) -> None:
    """An incident of before goes on as it began, so that its history replays."""
    text = f"they sent\n{CREDENTIALS['github']}"
    refusal = World(edition=edition).attempt(acts.Note(by="ana", text=text))
    assert (refusal.rule if refusal else None) == rule
    one_line = World(edition=edition).attempt(acts.Note(by="ana", text=f"it is {CREDENTIALS['github']}"))
    assert one_line is not None
    assert one_line.rule == 11

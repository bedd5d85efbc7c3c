"""The settings: read once, from FIRESTATION_ variables; what is wrong is said with the variable's name."""

from datetime import timedelta
from pathlib import Path

import pytest

from firestation.errors import InvalidInput
from firestation.settings import Settings


def test_everything_has_a_default() -> None:
    settings = Settings.from_environment({})
    assert settings.state == Path(".firestation")
    assert settings.evidence_store == ".firestation/evidence"
    assert settings.signing_key == Path(".firestation/keys/station")
    assert settings.coalesce == timedelta(seconds=30)


def test_each_field_is_a_variable() -> None:
    settings = Settings.from_environment(
        {
            "FIRESTATION_STATE": "/var/lib/firestation",
            "FIRESTATION_EVIDENCE": "s3://evidence",
            "FIRESTATION_GATEWAY_PORT": "9000",
            "FIRESTATION_COALESCE": "2m",
            "FIRESTATION_LOG": "json",
            "UNRELATED": "x",
        }
    )
    assert settings.evidence_store == "s3://evidence"
    assert (settings.gateway_port, settings.coalesce, settings.log) == (9000, timedelta(minutes=2), "json")


def test_an_empty_variable_is_as_none() -> None:
    assert Settings.from_environment({"FIRESTATION_GATEWAY_PORT": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FIRESTATION_GATEWAY_PORT", "http"),
        ("FIRESTATION_GATEWAY_PORT", "65536"),
        ("FIRESTATION_COALESCE", "half an hour"),
        ("FIRESTATION_LOG", "xml"),
    ],
)
def test_what_is_wrong_names_the_variable_and_the_fix(variable: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.from_environment({variable: value})
    assert caught.value.field == variable
    assert caught.value.fix


def test_a_key_may_be_kept_by_a_service() -> None:
    told = {
        "FIRESTATION_KEY_URI": "awskms:alias/firestation",
        "FIRESTATION_KEY_PUBLIC": "/etc/firestation.pub",
    }
    settings = Settings.from_environment({**told, "FIRESTATION_KEY_PIN": "file:/run/pin"})
    assert (settings.key_uri, settings.key_public) == (
        "awskms:alias/firestation",
        Path("/etc/firestation.pub"),
    )
    with pytest.raises(InvalidInput, match="KEY_PIN"):
        Settings.from_environment({"FIRESTATION_KEY_PIN": "1234"})


def test_children_get_the_same_settings() -> None:
    settings = Settings(state=Path("/s"), coalesce=timedelta(seconds=1.5), log="json")
    told = settings.for_children(TEMPORAL_ADDRESS="127.0.0.1:7233")
    assert Settings.from_environment(told) == settings
    assert told["TEMPORAL_ADDRESS"] == "127.0.0.1:7233"


def test_links_begin_where_phones_reach_the_gateway() -> None:
    assert Settings().gateway_url == "http://127.0.0.1:8420"
    told = {"FIRESTATION_PUBLIC_URL": "https://fire.example.org/", "FIRESTATION_LINK_KEY": "env:LINKS"}
    settings = Settings.from_environment(told)
    assert (settings.gateway_url, settings.link_key) == ("https://fire.example.org", "env:LINKS")
    for variable, value in (("PUBLIC_URL", "http://fire.example.org"), ("LINK_KEY", "the key itself")):
        with pytest.raises(InvalidInput, match=variable) as caught:
            Settings.from_environment({f"FIRESTATION_{variable}": value})
        assert "the key itself" not in str(caught.value)

"""The credentials of the contracts."""

import pytest

from tests.drivers.channels.contract import TOKEN


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNEL_TOKEN", TOKEN)

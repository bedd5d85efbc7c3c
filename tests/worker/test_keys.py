"""The key of the pseudonyms: made once, and never an empty one."""

from pathlib import Path

import pytest

from firestation.errors import NotConfigured
from worker.wiring import pseudonym_key


def test_a_key_is_made_once_and_one_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pseudonyms"
    made = pseudonym_key(path)
    assert len(made) == 32
    assert pseudonym_key(path) == made
    for short in (b"", made[:31]):
        path.write_bytes(short)
        with pytest.raises(NotConfigured, match="shorter than 32"):
            pseudonym_key(path)

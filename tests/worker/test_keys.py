"""The key of the pseudonyms: made once, and never an empty one."""

from pathlib import Path

import pytest

from firestation.errors import NotConfigured
from firestation.secrets import local_secret


def test_a_key_is_made_once_and_one_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pseudonyms"
    made = local_secret(path)
    assert len(made) == 32
    assert local_secret(path) == made
    for short in (b"", made[:31]):
        path.write_bytes(short)
        with pytest.raises(NotConfigured, match="shorter than 32"):
            local_secret(path)

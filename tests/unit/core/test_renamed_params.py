"""Names that an older params.yaml has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from trialforge.core.errors import ParameterError
from trialforge.core.params import ABSENT, RENAMED, find_value, read_params

ROOT = Path(__file__).parents[3]


def nest(name: str) -> dict[str, Any]:
    first, _, rest = name.partition(".")
    return {first: nest(rest) if rest else 1}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_an_error_that_says_the_new_one(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(nest(old)))
    with pytest.raises(ParameterError, match=f"`{old}` is now called `{new}`"):
        read_params(path)
    present = read_params(ROOT / "params.yaml")
    assert find_value(present, new.split(".")) is not ABSENT

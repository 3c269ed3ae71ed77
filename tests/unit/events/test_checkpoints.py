"""A checkpoint is read as it was typed, and as it came in a message."""

import json
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.events import checkpoints
from leasehold.model import AuditHead

MAC = "3f" * 32
HEAD = AuditHead(90_211, MAC)
MESSAGE = {"deployment": "prod", "time": "2026-01-01T00:00:00.000Z", "seq": 90_211, "mac": MAC}


@pytest.mark.parametrize(
    "text",
    [
        f"90211:{MAC}",
        f" 90211:{MAC}\n",
        json.dumps(MESSAGE),
        f"leasehold/prod/audit/checkpoint {json.dumps(MESSAGE)}",
        json.dumps({"state": "online", "audit": {"seq": 90_211, "mac": MAC}}),
    ],
)
def test_every_form_of_a_checkpoint_is_taken(text: str) -> None:
    assert checkpoints.parse(text) == HEAD


@pytest.mark.parametrize(
    "text",
    ["", "90211", f"0:{MAC}", f"1:{MAC[:-1]}", f"-1:{MAC}", "{", "{}", '{"audit": 7}', "[1]"],
)
def test_what_is_no_checkpoint_is_none(text: str) -> None:
    assert checkpoints.parse(text) is None


def test_a_file_has_one_a_line_and_says_which_line_is_none(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_text(f"90211:{MAC}\n\n{json.dumps(MESSAGE)}\n")
    assert checkpoints.read(file) == [HEAD, HEAD]
    file.write_text(f"90211:{MAC}\nsomething\n")
    with pytest.raises(ConfigError, match=r"kept.jsonl:2: not a checkpoint; allowed are SEQ:MAC"):
        checkpoints.read(file)

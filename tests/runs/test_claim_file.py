import json
from pathlib import Path

import pytest

from runs.claim_file import CLAIM_FILE, Claim, read_folder_claim


def test_a_claim_names_a_run(tmp_path):
    assert read_folder_claim(tmp_path) is None
    (tmp_path / CLAIM_FILE).write_text(json.dumps({"run_id": "a1", "run": "/out/faces"}))
    assert read_folder_claim(tmp_path) == Claim("a1", Path("/out/faces"))


@pytest.mark.parametrize("text", ['{"run_id": 3, "run": "a"}', '["run"]', '{"run": "a"}', "{"])
def test_another_programs_file_is_no_claim(text, tmp_path):
    (tmp_path / CLAIM_FILE).write_text(text)
    with pytest.raises(ValueError, match=CLAIM_FILE):
        read_folder_claim(tmp_path)

"""The API's own description, tried against the running server by schemathesis."""

import subprocess
import sys
from pathlib import Path

from storage.db import open_engine
from tests.faults import house
from tests.web.live import live

CONFIG = """
[parameters]
"path.member" = "shop:C-1"

[phases.stateful]
enabled = false # no operation makes what another one needs

[checks.positive_data_acceptance]
# an event may be well-formed and yet about nobody: 409 and 422 are answers to it
expected-statuses = ["200", "401", "404", "409", "422"]

[[operations]]
include-path = "/api/v1/events/batch"
# each event stands or falls alone, so that a batch with a wrong one is answered
checks.negative_data_rejection.expected-statuses = ["200", "400", "401", "413", "415", "422"]
"""
EXAMPLES_MAX = 25


def test_the_server_does_what_its_document_says(sqlite_url: str, tmp_path: Path) -> None:
    engine = open_engine(sqlite_url)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with live(engine) as shop:
        shop.link("C-1024")  # of whom the examples speak
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "--config-file",
                "schemathesis.toml",
                "run",
                f"{shop.url}/api/v1/openapi.json",
                f"--max-examples={EXAMPLES_MAX}",
                "--header",
                f"Authorization: Bearer {shop.made.token}",
                "--no-color",
                "--continue-on-failure",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
        assert "unresolvable" not in done.stdout
        assert shop.has() != 0
    assert house.faults(engine) == []
    engine.dispose()

"""`python -m bot bench` as its user sees it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main

ROOT = Path(__file__).parents[2]


def test_bench_hands_its_words_to_the_benches(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "nonsense", "--quick"]) == 2
    assert "there is no bench nonsense" in capfd.readouterr().err


def test_bench_tells_which_benches_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--", "--help"]) == 0
    said = capfd.readouterr().out
    assert "store" in said
    assert "--size" in said


def test_without_the_tests_bench_says_where_it_can_be_run(tmp_path: Path) -> None:
    for floor in ("bot", "handlers", "scheduler", "storage", "content"):  # what a wheel holds
        shutil.copytree(ROOT / floor, tmp_path / floor)
    done = subprocess.run(
        [sys.executable, "-m", "bot", "bench", "store", "--quick"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "part of the source code" in done.stderr
    assert "Traceback" not in done.stderr

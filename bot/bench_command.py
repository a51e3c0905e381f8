"""`python -m bot bench`: the measurements, which live with the tests and run beside them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def bench(arguments: Sequence[str], *, root: Path = ROOT) -> int:
    """Run the benches of a checkout in a process of their own; return their exit status.

    What is installed without the tests has none: that is said, with the status 2.
    """
    if not (root / "tests" / "bench" / "__main__.py").is_file():
        print(  # noqa: T201 - the command's answer
            "There is nothing to measure with here: the benches are part of the source code."
            " Clone it, then `make test` once, then `.venv/bin/python -m bot bench store`.",
            file=sys.stderr,
        )
        return 2
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, cwd=root, check=False).returncode  # noqa: S603 - ourselves

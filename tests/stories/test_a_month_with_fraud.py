"""A month of a group with cheats in it, in small: what they get, and who else is hindered.

`python -m tests.bench fraud` plays the same with two thousand members and prints the table.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import audit
from storage.db import open_engine, reading
from storage.rebuilding import all_differences
from tests.bench.fraud import FRAUD_MAX, HINDERED_MAX, Month, Simulation


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Month]:
    path = tmp_path_factory.mktemp("fraud") / "fraud.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    yield Simulation(engine, 60, 1).run()
    with reading(engine) as tx:
        faults = audit.faults(tx) + all_differences(tx)
    engine.dispose()
    assert faults == []


def test_cheats_get_next_to_nothing(month: Month) -> None:
    assert month.share() < FRAUD_MAX
    for kind in month.kinds:
        if kind != "careful":
            assert month.tried(kind) > 100, kind
            assert month.share(kind) < FRAUD_MAX, kind
            assert len(month.found[kind]) == month.size(kind), kind


def test_honest_members_are_left_alone(month: Month) -> None:
    assert len(month.waited) / month.honest < HINDERED_MAX
    assert len(month.lowered) / month.honest < HINDERED_MAX


def test_who_takes_care_to_look_like_a_person_is_not_found(month: Month) -> None:
    """What this cannot do is told, too: minutes of chance make a script a punctual person."""
    assert month.found["careful"] == set()
    assert month.share("careful") == pytest.approx(1.0, abs=0.05)

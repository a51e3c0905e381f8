"""Whatever friends do, in any order: what an inviter has is what stands, and no cap is passed."""

import itertools
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import audit
from storage.db import open_engine, reading
from tests.stage import Stage
from tests.stories.test_invites import code_of, comes, days, goes, invited, row, state

RULES = """version = 1
categories = { social = 1.0, behaviour = 1.0, consume = 1.0 }
[referral]
inviter = 100
stay_days = 1
queue_days = 3
ladder = [{ n = 1, reward = "points:40" }, { n = 3, reward = "points:60" }]
[programme.caps]
invite_per_day = 2
[referral.risk]
burst = 1000
burst_reject = 1000
"""
DEEDS = st.lists(
    st.tuples(st.sampled_from(["invite", "invite", "leave", "back", "day"]), st.integers(0, 9)),
    max_size=14,
)
_numbers = itertools.count()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS)
def test_what_he_has_is_what_stands(
    deeds: list[tuple[str, int]], tmp_path: Path, sqlite_template: Path
) -> None:
    path = tmp_path / f"{next(_numbers)}.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    stage = Stage(engine, document=RULES)
    stage.says("小明", "签到")
    payload = code_of(stage, "小明")
    friends: list[str] = []
    for what, number in [*deeds, *[("day", 0)] * 6]:
        if what == "invite":
            friends.append(f"朋友{len(friends)}")
            invited(stage, friends[-1], payload)
        elif what == "day":
            days(stage, 1)
        elif friends:
            (goes if what == "leave" else comes)(stage, friends[number % len(friends)])
        found = Counter(state(stage, each) for each in friends)
        stands = found["rewarded"]
        ladder = 40 * (stands >= 1) + 60 * (stands >= 3)
        assert stage.balance("小明") == 5 + 100 * stands + ladder
        of_days = Counter(each.rewarded_day for each in map(_row(stage), friends))
        assert all(count <= 2 for day, count in of_days.items() if day)
    assert not {"pending_cap", "review"} & {state(stage, each) for each in friends}
    with reading(engine) as tx:
        assert audit.faults(tx) == []
    engine.dispose()


def _row(stage: Stage):
    def of(who: str):
        found = row(stage, who)
        assert found is not None
        return found

    return of

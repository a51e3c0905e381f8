"""What looks like a program or many faces of one, and above all what does not."""

from datetime import date, timedelta
from random import Random

import pytest

from content import suspicion
from content.suspicion import Gift

FIRST = date(2026, 3, 1)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _times(*seconds: float) -> dict[date, float]:
    return {_day(number): at for number, at in enumerate(seconds)}


EIGHT = 8 * 3600


def test_check_ins_to_the_second_are_seen_and_told() -> None:
    seen = suspicion.regular(_times(*(EIGHT + 3 + n % 2 for n in range(12))))
    assert seen is not None
    assert (seen.kind, seen.first) == ("script", _day(0))
    assert seen.numbers["days"] == 12
    assert seen.numbers["time"] in {"08:00:03", "08:00:04"}
    assert seen.numbers["seconds"] == 1


@pytest.mark.parametrize(
    "times",
    [
        [EIGHT] * 9,  # too few days
        [EIGHT + 5 * n for n in range(14)],  # a person with an alarm
        [EIGHT] * 9 + [EIGHT + 600 * n for n in range(5)],  # not on enough days
        [EIGHT] * 10 + [EIGHT + 600 * n for n in range(1, 5)],  # ten, but four were otherwise
        [],
    ],
)
def test_people_are_not_scripts(times: list[float]) -> None:
    assert suspicion.regular(_times(*times)) is None


def test_midnight_is_no_border() -> None:
    seen = suspicion.regular(_times(*(86_399.5 if n % 2 else 0.2 for n in range(10))))
    assert seen is not None
    assert seen.numbers["days"] == 10


def test_no_punctual_person_of_many_is_taken_for_a_script() -> None:
    rng = Random(3)
    for _ in range(20_000):
        times = [EIGHT + int(rng.expovariate(1 / 12)) for _ in range(14)]  # all within seconds
        assert suspicion.regular(_times(*times)) is None


def test_a_steady_beat_is_seen() -> None:
    seen = suspicion.beating(FIRST, [61.0 * n for n in range(20)])
    assert seen is not None
    assert (seen.kind, dict(seen.numbers)) == ("metronome", {"times": 20, "seconds": 61})
    in_disorder = [61.0 * n for n in range(20)]
    Random(1).shuffle(in_disorder)
    assert suspicion.beating(FIRST, in_disorder) == seen


@pytest.mark.parametrize("seed", range(20))
def test_lively_talk_is_no_beat(seed: int) -> None:
    rng, at, line = Random(seed), 0.0, []
    for _ in range(30):  # the first message after each minute's rest is paid
        at += 60 + rng.expovariate(1 / 8)
        line.append(at)
    assert suspicion.beating(FIRST, line) is None


def test_a_short_beat_is_nothing() -> None:
    assert suspicion.beating(FIRST, [61.0 * n for n in range(15)]) is None
    assert suspicion.beating(FIRST, []) is None


@pytest.mark.parametrize(
    ("alike", "seen"),
    [
        ({}, False),
        ({0: 200}, False),  # one odd day
        ({0: 14, 1: 14, 2: 14}, False),
        ({0: 15, 3: 15}, True),
    ],
)
def test_the_same_words_on_several_days(alike: dict[int, int], seen: bool) -> None:
    found = suspicion.farming({_day(number): count for number, count in alike.items()})
    assert (found is not None) == seen


def test_who_acts_within_seconds_is_a_pair() -> None:
    near = suspicion.near([(3, 10.0), (1, 12.5), (2, 20.0), (4, 23.0)], 3.0)
    assert near == {(1, 3), (2, 4)}
    assert suspicion.near([], 3.0) == set()


def test_where_very_many_act_at_once_not_all_are_compared() -> None:
    near = suspicion.near([(n, 1.0) for n in range(100)], 3.0)
    assert len(near) < 100 * suspicion.NEIGHBOURS


def _three(days: int, *, apart: float = 2.0) -> dict[int, dict[date, float]]:
    rng = Random(5)
    starts = [rng.uniform(0, 80_000) for _ in range(days)]
    return {n: _times(*(start + n * apart / 2 for start in starts)) for n in range(3)}


def test_three_who_always_act_together_are_one_hand() -> None:
    found = suspicion.together({(0, 1), (1, 2), (0, 2)}, _three(10))
    assert set(found) == {0, 1, 2}
    assert found[0].text == "together"
    assert found[0].numbers["people"] == 3
    assert found[0].first == _day(0)


@pytest.mark.parametrize(
    ("pairs", "times"),
    [
        ({(0, 1)}, _three(14)),  # a couple
        ({(0, 1), (1, 2)}, _three(9)),  # too few days
        ({(0, 1), (1, 2)}, _three(14, apart=9.0)),  # near, but not so near
        (set(), _three(14)),
        ({(0, 1), (1, 2)}, {}),
    ],
)
def test_people_who_come_at_like_times_are_not(
    pairs: set[tuple[int, int]], times: dict[int, dict[date, float]]
) -> None:
    assert suspicion.together(pairs, times) == {}


def _fed(feeders: int, *, times: int = 2, amount: int = 10) -> list[Gift]:
    return [Gift(n, 99, amount, _day(t)) for n in range(feeders) for t in range(times)]


def test_one_who_is_fed_by_many_is_seen_with_them() -> None:
    earned = dict.fromkeys(range(5), 30)
    found = suspicion.stars(_fed(5), earned, dict.fromkeys(range(5), 1_000.0))
    assert {who: seen.kind for who, seen in found.items()} == {
        99: "star",
        **dict.fromkeys(range(5), "multi_account"),
    }
    assert dict(found[99].numbers) == {"people": 5, "points": 100, "at_once": 5}
    assert found[0].text == "feeder"


@pytest.mark.parametrize(
    ("gifts", "earned"),
    [
        (_fed(2), 20),  # parents of one child
        (_fed(5, times=1), 10),  # a birthday
        (_fed(5), 500),  # small thanks of those who have much
        ([*_fed(5), *(Gift(n, 50, 5, FIRST) for n in range(5))], 25),  # who give to others as well
        ([], 0),
    ],
)
def test_one_who_is_thanked_by_many_is_not(gifts: list[Gift], earned: int) -> None:
    assert suspicion.stars(gifts, dict.fromkeys(range(5), earned), {}) == {}


def _circle(*who: int, times: int = 3) -> list[Gift]:
    pairs = zip(who, (*who[1:], who[0]), strict=True)
    return [Gift(a, b, 10, _day(t)) for a, b in pairs for t in range(times)]


def test_gifts_in_a_circle_are_seen() -> None:
    found = suspicion.rings([*_circle(1, 2, 3), *_circle(4, 5, 6, 7), Gift(8, 1, 5, FIRST)])
    assert {who: seen.numbers["people"] for who, seen in found.items()} == {
        1: 3, 2: 3, 3: 3, 4: 4, 5: 4, 6: 4, 7: 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    "gifts",
    [
        _circle(1, 2, times=9),  # two friends
        _circle(1, 2, 3, times=2),  # not often
        [*(Gift(1, 2, 5, _day(t)) for t in range(5)), *(Gift(2, 3, 5, _day(t)) for t in range(5))],
        _circle(*range(20)),  # nobody plans that
    ],
)
def test_friends_who_give_are_no_ring(gifts: list[Gift]) -> None:
    assert suspicion.rings(gifts) == {}


@pytest.mark.parametrize(
    ("instants", "most"), [([], 0), ([5], 1), ([0, 60, 61, 119, 300], 3), ([9, 9, 9], 3)]
)
def test_a_burst_is_the_most_within_a_minute(instants: list[float], most: int) -> None:
    assert suspicion.burst(instants, 60) == most


@pytest.mark.parametrize(("times", "seen"), [(1, False), (2, False), (3, True), (9, True)])
def test_leaving_again_and_again(times: int, seen: bool) -> None:
    assert (suspicion.rejoining({FIRST: times}) is not None) == seen

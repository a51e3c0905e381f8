"""Credit as numbers: where somebody stands, what weighs, what comes back; and the document."""

import pytest

from content.credit import next_rise, standing, total_lost, weighted
from content.creditrules import CreditRules
from content.lint import lint
from content.rulebook import RulebookError, read_rulebook, shipped_document
from content.rulediff import worse

RULES = CreditRules()
ALL = ("redeem", "gift", "referral")


@pytest.mark.parametrize(
    ("lost", "score", "multiplier", "freeze"),
    [
        (-5, 100, 1.0, ()),
        (0, 100, 1.0, ()),
        (20, 80, 1.0, ()),
        (21, 79, 0.8, ()),
        (40, 60, 0.8, ()),
        (41, 59, 0.5, ()),
        (60, 40, 0.5, ()),
        (61, 39, 0.0, ALL),
        (100, 0, 0.0, ALL),
        (500, 0, 0.0, ALL),
    ],
)
def test_where_somebody_stands(
    lost: int, score: int, multiplier: float, freeze: tuple[str, ...]
) -> None:
    assert standing(RULES, lost) == (score, multiplier, freeze)


def test_without_steps_nothing_weighs() -> None:
    assert standing(CreditRules(weights=()), 100) == (0, 1.0, ())


@pytest.mark.parametrize(
    ("lost", "points", "left"),
    [(0, 7, 7), (20, 7, 7), (21, 5, 4), (21, 1, 0), (21, 10, 8), (50, 5, 2), (70, 1_000, 0)],
)
def test_what_is_left_is_rounded_down(lost: int, points: int, left: int) -> None:
    assert weighted(RULES, lost, points) == left


@pytest.mark.parametrize(
    ("entries", "lost"),
    [
        ([], 0),
        ([-45], 45),
        ([-45, 45], 0),
        ([-45, -30, 5], 70),
        ([5, -45], 45),  # what comes back to somebody who lacks nothing is no store
        ([-80, -80, 5], 95),  # nobody falls below nothing
        ([-45, 60, -10], 10),
    ],
)
def test_entries_add_up_between_nothing_and_everything(entries: list[int], lost: int) -> None:
    assert total_lost(entries, 100) == lost


@pytest.mark.parametrize(("lost", "rise"), [(0, 0), (3, 3), (5, 5), (50, 5)])
def test_no_more_comes_back_than_is_lacking(lost: int, rise: int) -> None:
    assert next_rise(RULES, lost) == rise


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ("[credit]\nstart = 0", "credit.start"),
        ("[credit]\nforget_days = 181", "credit.forget_days"),
        ("[credit.deduct]\nscript = -1", "credit.deduct.script"),
        ("[credit.deduct]\nrudeness = 5", "credit.deduct.rudeness"),
        ("[credit]\nweights = [{ below = 50, multiplier = 1.5 }]", "multiplier"),
        ("[credit]\nweights = [{ below = 50, multiplier = 1, freeze = ['talk'] }]", "freeze"),
        ("[credit]\nweights = [{ below = 101, multiplier = 0.5 }]", "credit.weights.1.below"),
        (
            (
                "[credit]\nweights = [{ below = 50, multiplier = 0.5 },"
                " { below = 50, multiplier = 0.4 }]"
            ),
            "credit.weights.2.below",
        ),
        (
            (
                "[credit]\nweights = [{ below = 50, multiplier = 0.5 },"
                " { below = 40, multiplier = 0.6 }]"
            ),
            "credit.weights.2.multiplier",
        ),
        (
            (
                "[credit]\nweights = [{ below = 50, multiplier = 0.5, freeze = ['gift'] },"
                " { below = 40, multiplier = 0.4 }]"
            ),
            "credit.weights.2.freeze",
        ),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(document: str, key: str) -> None:
    with pytest.raises(RulebookError, match=key):
        read_rulebook(f"version = 1\n{document}", name="rules.toml")


def test_the_shipped_document_says_what_is_meant_without_it() -> None:
    shipped = read_rulebook(shipped_document(), name="shipped")
    assert shipped.credit == read_rulebook("version = 1", name="short").credit


def test_the_lint_knows_what_is_odd_about_credit() -> None:
    document = "version = 1\n[credit]\nwatch = false\n[credit.deduct]\nstar = 100\nring = 0"
    keys = {each.key for each in lint(read_rulebook(document, name="odd"))}
    assert {"credit.watch", "credit.deduct.star"} <= keys
    watched = read_rulebook("version = 1\n[credit.deduct]\nring = 0", name="odd")
    assert "credit.deduct.ring" in {each.key for each in lint(watched)}
    assert not any("credit" in each.key for each in lint(read_rulebook("version = 1", name="s")))


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ("[credit]\nconfirmed = 31", {"credit.confirmed"}),
        ("[credit.deduct]\nscript = 46", {"credit.deduct.script"}),
        ("[credit.deduct]\nscript = 44", set()),
        ("[credit]\nrecover = { clean_days = 31, points = 5 }", {"credit.recover.clean_days"}),
        ("[credit]\nweights = [{ below = 90, multiplier = 0.8 }]", {"credit.weights"}),
        ("[credit]\nweights = [{ below = 60, multiplier = 0.8 }]", set()),
    ],
)
def test_worse_terms_of_credit_are_seen(document: str, keys: set[str]) -> None:
    old = read_rulebook("version = 1", name="old")
    assert set(worse(old, read_rulebook(f"version = 1\n{document}", name="new"))) == keys

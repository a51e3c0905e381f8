"""Invitations by the rules: codes, worth, signs, ladder, campaigns, what a document says."""

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.lint import lint
from content.message import Button, Reply
from content.picture import QrCode
from content.referral import (
    CODE_LENGTH,
    Signs,
    Verdict,
    in_chain,
    new_code,
    next_rung,
    reached,
    read_payload,
    verdict,
    worth,
)
from content.referralrules import InviteRiskRules, RungRule
from content.rulebook import Rulebook, RulebookError, read_rulebook, shipped_document
from content.rulediff import worse
from content.startlink import complete, start_link

SHIPPED = read_rulebook(shipped_document(), name="shipped")


@given(st.integers())
def test_a_code_is_read_back(seed: int) -> None:
    code = new_code(Random(seed))
    assert read_payload(f"ref_{code}") == ("ref_", code)
    assert read_payload(f"src_{code}") == ("src_", code)
    assert len(f"ref_{code}") <= 64


@pytest.mark.parametrize(
    "words",
    ["", "ref_", "ref", "ref_abc", f"ref_{'a' * 60}", f"ref_{'a' * CODE_LENGTH} ", "REF_aaaaaaaaaa",
     f"ref_{'A' * CODE_LENGTH}", "ref_aaaaaaaaa1", "ref_aaaaaaaaaß", f"xxx_{'a' * CODE_LENGTH}",
     f"ref_{'a' * CODE_LENGTH}\n", "ref_👍👍👍👍👍👍👍👍👍👍", f"\u200bref_{'a' * CODE_LENGTH}"],
)  # fmt: skip
def test_what_is_no_code(words: str) -> None:
    assert read_payload(words) is None


@pytest.mark.parametrize(
    ("points", "level", "comes_to"),
    [(100, None, 150), (100, "silver", 165), (50, None, 75), (0, None, 0), (1, None, 1)],
)
def test_what_it_is_worth(points: int, level: str | None, comes_to: int) -> None:
    assert worth(SHIPPED, points, level) == comes_to


def test_a_document_without_the_category_pays_the_plain_sum() -> None:
    rules = read_rulebook("version = 1\n[categories]\nbehaviour = 1.0\nconsume = 1.0\n", name="old")
    assert worth(rules, 100) == 100


RISK = InviteRiskRules()


@pytest.mark.parametrize(
    ("signs", "says", "reasons"),
    [
        (Signs(1, False), "ok", ()),
        (Signs(9, False, 400), "ok", ()),
        (Signs(10, False), "review", ("burst",)),
        (Signs(99, False), "review", ("burst",)),
        (Signs(100, False), "reject", ("burst",)),
        (Signs(1, True), "review", ("silent",)),
        (Signs(1, False, 6), "review", ("new_account",)),
        (Signs(1, False, 7), "ok", ()),
        (Signs(10, True, 0), "review", ("burst", "new_account", "silent")),
    ],
)
def test_the_verdict(signs: Signs, says: str, reasons: tuple[str, ...]) -> None:
    assert verdict(RISK, signs) == Verdict(says, reasons)


def test_silence_may_be_fine() -> None:
    assert verdict(InviteRiskRules(silent="ok"), Signs(1, True)).says == "ok"


LADDERS = st.lists(st.integers(1, 50), unique=True).map(
    lambda ns: tuple(RungRule(n=n, reward=f"r{n}") for n in sorted(ns))
)


@given(LADDERS, st.integers(0, 60))
def test_the_next_rung_is_the_first_not_reached(ladder: tuple[RungRule, ...], count: int) -> None:
    got, ahead = reached(ladder, count), next_rung(ladder, count)
    assert all(rung.n <= count for rung in got)
    assert len(got) == len(ladder) - len([rung for rung in ladder if rung.n > count])
    assert (ahead is None) == (len(got) == len(ladder))
    if ahead is not None:
        assert ladder.index(ahead) == len(got)


def test_a_circle() -> None:
    assert in_chain([3, 2, 1], 1)
    assert not in_chain([3, 2], 1)
    assert not in_chain([], 1)


def _rules(body: str) -> Rulebook:
    return read_rulebook(f"version = 1\n{body}", name="t")


CAMPAIGN = """
[[referral.campaign]]
id = "a"
name = "开学季"
from = 2026-09-01
until = 2026-09-07
inviter = 1
invitee = 2
"""


@pytest.mark.parametrize(
    ("day", "runs"),
    [((8, 31), False), ((9, 1), True), ((9, 7), True), ((9, 8), False)],
)
def test_a_campaign_runs_from_day_to_day(day: tuple[int, int], runs: bool) -> None:
    found = _rules(CAMPAIGN).referral.campaign_on(date(2026, *day))
    assert (found is not None) == runs


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[referral]\ndepth = 2", "referral.depth = 2: must be 1"),
        ("[referral]\nactivate_by = []", "nobody is paid for heads"),
        ('[referral]\nactivate_by = ["join"]', "referral.activate_by.1"),
        ("[referral]\ninviter = -1", "referral.inviter = -1"),
        ('[referral]\ncategory = "x"', "must be one of [categories]"),
        ('[referral]\nladder = [{ n = 3, reward = "a" }, { n = 3, reward = "b" }]', "more than"),
        ('[referral]\nladder = [{ n = 3, reward = "cash:5" }]', "must be an id, or points:"),
        ("[referral.risk]\nburst = 5\nburst_reject = 4", "must be at least referral.risk.burst"),
        (CAMPAIGN.replace("09-07", "08-07"), "must be from its first day on"),
        (CAMPAIGN + CAMPAIGN, "must be an id that nothing else has"),
        ("[referral]\nx = 1", "there is no such key"),
    ],
)
def test_what_a_document_may_not_say(body: str, words: str) -> None:
    with pytest.raises(RulebookError) as refused:
        _rules(body)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("inviter = 100", "inviter = 99", "referral.inviter"),
        ("stay_days = 7", "stay_days = 8", "referral.stay_days"),
        ("leave_within_days = 30", "leave_within_days = 31", "referral.clawback.leave_within_days"),
        (', "order.completed"]', "]", "referral.activate_by.order.completed"),
        ("n = 3, reward", "n = 4, reward", "referral.ladder.gift-box.n"),
        ("per_month = 30", "per_month = 29", "referral.per_month"),
    ],
)
def test_what_is_for_the_worse(old: str, new: str, key: str) -> None:
    assert old in shipped_document()
    changed = read_rulebook(shipped_document().replace(old, new, 1), name="t")
    assert worse(SHIPPED, changed) == (key,)
    assert worse(changed, SHIPPED) == ()


@pytest.mark.parametrize(
    ("body", "severity", "key"),
    [
        ("[referral]\nplatforms_off = []", "refuse", "referral.platforms_off"),
        ("[referral]\nstay_days = 0", "warn", "referral.stay_days"),
        ("[referral]\nclawback = { leave_within_days = 0 }", "warn",
         "referral.clawback.leave_within_days"),
        ('[referral]\nladder = [{ n = 1, reward = "a", name = "提现券" }]', "refuse",
         "referral.ladder.a.name"),
        (CAMPAIGN + 'text = "发展下线有奖"\n', "refuse", "referral.campaign.a.text"),
    ],
)  # fmt: skip
def test_what_the_lint_says(body: str, severity: str, key: str) -> None:
    assert (severity, key) in {(each.severity, each.key) for each in lint(_rules(body))}


# -- start links ---------------------------------------------------------------------------------


def test_a_start_link_gets_each_platforms_address() -> None:
    link = start_link("ref_abc")
    reply = Reply(f"来 {link}", ((Button("去", url=link), Button("签到", "checkin")),),
                  picture=QrCode(link, "码"))  # fmt: skip
    done = complete(reply, lambda payload: f"https://t.me/bot?start={payload}")
    assert done.text == "来 https://t.me/bot?start=ref_abc"
    assert done.buttons[0][0].url == "https://t.me/bot?start=ref_abc"
    assert done.picture == QrCode("https://t.me/bot?start=ref_abc", "码")
    assert complete(done, lambda _: "x") is done


def test_without_an_address_the_words_remain() -> None:
    link = start_link("ref_abc")
    buttons = ((Button("去", url=link),), (Button("签到", "checkin"),))
    done = complete(Reply(f"码：{link}", buttons, picture=QrCode(link)), lambda _: "")
    assert done == Reply("码：ref_abc", ((Button("签到", "checkin"),),))

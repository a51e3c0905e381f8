"""Rule documents: what is refused, and what the refusal says."""

import math
import re
import tomllib
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.questrules import QuestionRule, QuestRule, StepRule, SurveyRule
from content.rulebook import (
    CUSTOM,
    EVENTS,
    EarnRule,
    Rulebook,
    RulebookError,
    exact,
    read_rulebook,
    shipped_document,
)
from content.texts import DEFAULT_LOCALE, LOCALES

NAME = "营.toml"
LISTS = {"earn", "level", "badge", "wallet", "quest", "survey"}
BUY = 'event = "order.completed"\ncategory = "consume"'


def _refused(body: str) -> str:
    with pytest.raises(RulebookError) as refused:
        read_rulebook(f"version = 1\n{body}", name=NAME)
    return str(refused.value)


def test_the_shipped_document_says_what_the_schema_defaults_to() -> None:
    shipped, bare = read_rulebook(shipped_document(), name=NAME), Rulebook(version=1)
    names = {"programme": {"point": {"names"}}}  # in English, it names what it names in Chinese
    left_out = dict.fromkeys((*LISTS, "rebate"), True) | names | {"referral": {"ladder"}}
    assert shipped.model_dump(exclude=left_out) == bare.model_dump(exclude=left_out)
    assert (bare.quest, bare.survey, shipped.survey) == ((), (), ())
    assert (bare.earn, bare.level, bare.badge) == ((), (), ())
    assert (bare.wallet, bare.rebate.steps) == ((), ())
    assert len(shipped.earn) == 5
    assert [level.min for level in shipped.level] == [0, 500, 3000]


def test_the_shipped_document_shows_every_key() -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    shipped = read_rulebook(shipped_document(), name=NAME)
    written = tomllib.loads(shipped_document())
    for quest in written["quest"]:  # a step that is its deed's name alone
        quest["steps"] = [{"what": s} if isinstance(s, str) else s for s in quest["steps"]]
    whole, short = shipped.model_dump(exclude={"survey"}), shipped.model_dump(exclude_unset=True)
    assert written == plain({name: (short if name in LISTS else whole)[name] for name in whole})


@pytest.mark.parametrize("table", [EarnRule, QuestRule, StepRule, SurveyRule, QuestionRule])
def test_every_key_of_a_table_is_shown_or_explained_in_the_shipped_document(table: Any) -> None:
    assert [key for key in table.model_fields if key not in shipped_document()] == []


def test_what_the_shipped_document_names_it_names_in_every_language() -> None:
    rules = read_rulebook(shipped_document(), name=NAME)
    named = [rules.programme.point, *rules.level, *rules.badge, *rules.wallet, *rules.quest]
    named += [rule for rule in rules.earn if rule.name]
    for locale in LOCALES:
        for each in named:
            assert locale == DEFAULT_LOCALE or locale in each.names
            assert each.called(locale).isascii() == (locale == "en")


def test_a_badge_says_its_words_in_every_language() -> None:
    for badge in read_rulebook(shipped_document(), name=NAME).badge:
        assert {*badge.words} == {*LOCALES}


BADGE = '[[badge]]\nid = "a"\nname = "早"\nemoji = "🌅"\nwhen = {{ what = "{}", n = {} }}\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (BADGE.format("streak", 0), "badge.a.when.n = 0: must be a whole number from 1"),
        (BADGE.format("streak", -7), "badge.a.when.n"),
        (BADGE.format("redeem", 1), "badge.a.when.what = 'redeem': must be one of 'checkin'"),
        (BADGE.format("talk", 1).replace("🌅", "早安"), "badge.a.emoji = '早安': must be an emoji"),
        (BADGE.format("talk", 1).replace("🌅", "🌅 🌅"), "badge.a.emoji"),
        (BADGE.format("talk", 1) * 2, "badge.a.id = 'a': must be an id that nothing else has"),
        ('[[level]]\nid = "a"\nname = "早"\nmin = 0\nperks = ["vip"]', "'gift_quota_2x'"),
        ("[boards]\nannounce_hour = 12", "boards.announce_hour = 12"),
        ('[boards]\nannounce = "daily"', "must be one of 'weekly', 'off'"),
        ('[boards]\ntags = "all"', "boards.tags"),
    ],
)
def test_badges_perks_and_announcements_are_bounded(body: str, says: str) -> None:
    assert says in _refused(body)


def test_a_name_without_another_language_is_the_same_in_all() -> None:
    body = '[[level]]\nid = "one"\nname = "新手"\nmin = 0\n[[earn]]\nid = "a"\npoints = 1\n'
    body += 'event = "order.reviewed"\ncategory = "social"\nnames = { en = "A review" }\n'
    rules = read_rulebook(f"version = 1\n{body}", name=NAME)
    assert [rules.level[0].called(locale) for locale in ("zh", "en")] == ["新手", "新手"]
    assert [rules.earn[0].called(locale) for locale in ("zh", "en")] == [None, "A review"]


def test_rules_are_read_from_the_document() -> None:
    rules = read_rulebook(
        """
        version = 1
        [checkin]
        points = 12
        streak = { every = 3, bonus = 0.5 }
        [boards]
        places = 50
        [limits]
        member_per_minute = 1
        group_per_minute = 1_000_000
        command_per_minute = { top = 6 }
        [[earn]]
        id = "video"
        event = "custom.video_published"
        name = "发视频"
        category = "social"
        points = 30
        limit = { per = "month", n = 4 }
        once_per = "post"
        expires_days = 400
        [[wallet]]
        id = "brand"
        name = "品牌积分"
        per_yuan = 0.5
        """,
        name=NAME,
    )
    assert rules.checkin.points == 12
    assert (rules.checkin.streak.every, rules.checkin.streak.bonus) == (3, 0.5)
    assert rules.boards.places == 50
    assert (rules.limits.member_per_minute, rules.limits.group_per_minute) == (1, 1_000_000)
    assert rules.limits.command_per_minute == {"top": 6}
    (video,) = rules.earn
    assert (video.points, video.per_yuan, video.pending_days) == (30, None, None)
    assert (video.limit, video.once_per, video.expires_days) == (
        video.limit.model_copy(update={"per": "month", "n": 4}) if video.limit else None,
        "post",
        400,
    )
    assert rules.wallet[0].per_yuan == 0.5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        # numbers
        ("[checkin]\npoints = 0", "checkin.points = 0: must be a whole number from 1 to 1,000,000"),
        ("[checkin]\npoints = -5", "checkin.points = -5: must be a whole number"),
        ("[checkin]\npoints = 1_000_001", "checkin.points = 1000001: must be a whole number"),
        ("[checkin]\npoints = 5.5", "checkin.points = 5.5: must be a whole number"),
        ("[checkin]\npoints = 5.0", "checkin.points = 5.0: must be a whole number"),
        ('[checkin]\npoints = "five"', "checkin.points = 'five': must be a whole number"),
        ("[checkin]\npoints = [5]", "checkin.points = [5]: must be a whole number"),
        ("[checkin]\npoints = true", "checkin.points = True: must be a whole number"),
        ("[checkin]\npoints = 2026-01-01", "checkin.points = datetime.date(2026, 1, 1): must be"),
        (f"[checkin]\npoints = {'9' * 99}", f"checkin.points = {'9' * 79}…: must be a whole"),
        ("[checkin.streak]\nevery = 1", "checkin.streak.every = 1: must be a whole number from 2"),
        ("[checkin.streak]\nevery = 367", "checkin.streak.every = 367: must be a whole number"),
        ("[checkin.streak]\nevery = false", "checkin.streak.every = False: must be a whole"),
        ("[checkin.streak]\nbonus = -0.1", "checkin.streak.bonus = -0.1: must be a number from 0"),
        ("[checkin.streak]\nbonus = 10.1", "checkin.streak.bonus = 10.1: must be a number"),
        ("[checkin.streak]\nbonus = nan", "checkin.streak.bonus = nan: must be a number"),
        ("[checkin.streak]\nbonus = inf", "checkin.streak.bonus = inf: must be a number"),
        ("[checkin.streak]\nbonus = '20%'", "checkin.streak.bonus = '20%': must be a number"),
        ("[stacking]\nmax_total = 0.5", "stacking.max_total = 0.5: must be a number from 1 to 100"),
        (
            f"[[earn]]\nid = 'buy'\n{BUY}\nper_yuan = 0",
            "earn.buy.per_yuan = 0: must be a number above 0 and up to 1,000",
        ),
        ("[limits]\nmember_per_minute = 0", "limits.member_per_minute = 0: must be a whole"),
        ("[limits]\nmember_per_minute = 10_001", "limits.member_per_minute = 10001: must be"),
        ("[limits]\ngroup_per_minute = 0", "limits.group_per_minute = 0: must be a whole number"),
        ("[limits]\ngroup_per_minute = 1_000_001", "limits.group_per_minute = 1000001: must be"),
        ("[boards]\nplaces = 2", "boards.places = 2: must be a whole number from 3 to 50"),
        ("[boards]\nplaces = 51", "boards.places = 51: must be a whole number from 3 to 50"),
        # words, choices, yes and no
        ("[activity]\ncommands_count = 1", "activity.commands_count = 1: must be true or false"),
        ("[privacy]\nboards = 'off'", "privacy.boards = 'off': must be one of 'opt_out', 'opt_in'"),
        (
            "[privacy]\nvisibility = 'all'",
            "privacy.visibility = 'all': must be one of 'public', 'members', 'private'",
        ),
        (
            "[privacy]\npersonalised = 'opt_out'",
            "privacy.personalised = 'opt_out': must be 'opt_in'",
        ),
        ("[levels]\ndowngrade = 'two'", "levels.downgrade = 'two': must be one of 'none', 'one_"),
        ("[programme.negative]\npolicy = 'forget'", "negative.policy = 'forget': must be 'debt'"),
        (
            "[programme.point]\nnames = { fr = 'points' }",
            "programme.point.names.fr: this name must be a language: zh or en",
        ),
        (
            "[programme.point]\nnames = { en = '' }",
            "programme.point.names.en = '': must be 1 to 24 characters",
        ),
        ("[programme.point]\nname = ''", "programme.point.name = '': must be 1 to 24 characters"),
        (
            '[programme.point]\nname = "积\\n分"',
            r"programme.point.name = '积\n分': must be 1 to 24 characters on one line",
        ),
        ("[checkin]\ncategory = 'Talk!'", "checkin.category = 'Talk!': must be 1 to 24 of a-z"),
        (
            "[[earn]]\nid = 'buy'\nevent = 'order.complete'\ncategory = 'consume'\npoints = 1",
            "earn.buy.event = 'order.complete': must be one of order.completed, order.reviewed",
        ),
        (
            f"[[earn]]\nid = 'buy'\n{BUY}\npoints = 1\nlimit = {{ per = 'year', n = 1 }}",
            "earn.buy.limit.per = 'year': must be one of 'day', 'month'",
        ),
        (
            f"[[earn]]\nid = 'buy'\n{BUY}\npoints = 1\nplatforms_off = ['qq']",
            "earn.buy.platforms_off.1 = 'qq': must be one of 'telegram', 'wecom', 'local'",
        ),
        # tables and lists
        ("checkin = 5", "checkin = 5: must be a table"),
        ("boards = []", "boards = []: must be a table"),
        ("categories = []", "categories = []: must be a table"),
        ("[earn]\nid = 'buy'", "earn = {'id': 'buy'}: must be a list of at most 100 entries, each"),
        ("earn = [5]", "earn.1 = 5: must be a table"),
        ("[stacking]\norder = 'base'", "stacking.order = 'base': must be a list of at most 100"),
        (
            f"[programme.expiry]\nremind_days = {[1] * 101}",
            f"programme.expiry.remind_days = {str([1] * 101)[:79]}…: must be a list of at most 100",
        ),
        ("[categories]\nsocial = 'x'", "categories.social = 'x': must be a number from 0 to 100"),
        ("[categories]\n'So cial' = 1", "categories.So cial: this name must be 1 to 24 of a-z"),
        ("[limits]\ncommand_per_minute = { top = 0 }", "limits.command_per_minute.top = 0: must"),
        # what is missing: an entry is named by its id, else by its number
        (
            "[[level]]\nid = 'gold'\nmin = 0",
            "level.gold.name: is missing; it must be 1 to 24 characters on one line",
        ),
        ("[[level]]\nname = '金'\nmin = 0", "level.1.id: is missing; it must be 1 to 24 of a-z"),
        ("[rebate]\nsteps = [{ pct = 1 }]", "rebate.steps.1.from_yuan: is missing; it must be a"),
    ],
)
def test_a_wrong_value_is_refused_with_document_key_value_and_what_is_allowed(
    body: str, said: str
) -> None:
    assert said in _refused(body)
    assert all(line.startswith(f"{NAME}: ") for line in _refused(body).splitlines())


COIN = "[[wallet]]\nid = 'coin'\nname = 'x'\n"
EARN = '[[earn]]\nid = "{id}"\nevent = "{event}"\ncategory = "{category}"\n'


def _earn(more: str, **named: str) -> str:
    named = {"id": "buy", "event": "order.completed", "category": "consume"} | named
    return EARN.format(**named) + more


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_earn("points = 1\n") + _earn("points = 2"), "earn.buy.id = 'buy': must be an id that"),
        (_earn("points = 1", id="checkin"), "earn.checkin.id = 'checkin': must be an id that"),
        ("[[wallet]]\nid = 'points'\nname = 'x'", "wallet.points.id = 'points': must be an id"),
        (
            _earn("points = 1", category="social_"),
            "category = 'social_': must be one of [categories]: consume, social, behaviour",
        ),
        ("[checkin]\ncategory = 'x'", "checkin.category = 'x': must be one of [categories]"),
        ("[categories]\nconsume = 1", "activity.category = 'behaviour': must be one of"),
        (_earn(""), "earn.buy = {'points': None, 'per_yuan': None}: must have either points or"),
        (_earn("points = 1\nper_yuan = 1"), "earn.buy = {'points': 1, 'per_yuan': 1.0}: must have"),
        (_earn("points = 1\nexclude = ['freight']"), "exclude = ['freight']: goes with per_yuan"),
        (_earn("points = 1", event="custom.x"), "earn.buy.name = '': must be given"),
        (_earn("points = 501"), "earn.buy.points = 501: must be at most programme.caps.earn_per_"),
        ("[stacking]\norder = ['base']", "stacking.order = ['base']: must be base, category, le"),
        (
            "[stacking]\norder = ['base', 'base', 'category', 'level', 'streak', 'campaign']",
            "each once",
        ),
        ("[[level]]\nid = 'a'\nname = 'a'\nmin = 1", "level.a.min = 1: must be 0"),
        (
            "[[level]]\nid = 'a'\nname = 'a'\nmin = 0\n[[level]]\nid = 'b'\nname = 'b'\nmin = 0",
            "level.b.min = 0: must be more than that of the level before it (0)",
        ),
        (
            "[[level]]\nid = 'a'\nname = 'a'\nmin = 0\nmultiplier = 4.5",
            "level.a.multiplier = 4.5: must be at most stacking.max_total (4)",
        ),
        ("[categories]\nbehaviour = 5", "categories.behaviour = 5.0: must be at most stacking."),
        (
            "[rebate]\nsteps = [{ from_yuan = 0, pct = 1 }]",
            "rebate.wallet = 'coin': must be the id of a [[wallet]]: there is none",
        ),
        (
            COIN + "[rebate]\nsteps = [{ from_yuan = 9, pct = 2 }, { from_yuan = 9, pct = 2 }]",
            "rebate.steps.2.from_yuan = 9: must be more than in the step before it (9)",
        ),
        (
            COIN + "[rebate]\nsteps = [{ from_yuan = 8, pct = 2 }, { from_yuan = 9, pct = 1 }]",
            "rebate.steps.2.pct = 1.0: must be at least as much as in the step before it (2)",
        ),
        ("[programme.expiry]\nremind_days = [1, 7]", "= [1, 7]: must go from many days to few"),
        ("[programme.expiry]\nremind_days = [7, 7]", "= [7, 7]: must go from many days to few"),
        ("[checkin]\npoints = 420", "checkin.points = 420: with the streak's bonus at most prog"),
        ("[activity]\npoints = 31", "activity.points = 31: must be at most programme.caps.activ"),
        (
            "[programme.caps]\nactivity_per_day = 501",
            "programme.caps.activity_per_day = 501: must be at most programme.caps.earn_per_day",
        ),
        (
            "[programme.budget]\nissue_per_day = 1_000_001",
            "programme.budget.issue_per_day = 1000001: must be at most programme.budget.issue_per_",
        ),
        (
            "[checkin.makeup]\nfree_per_month = 3",
            "checkin.makeup.free_per_month = 3: must be at most checkin.makeup.max_per_month (2)",
        ),
        (
            "[checkin.makeup]\ngap_days_max = 8",
            "checkin.makeup.gap_days_max = 8: must be at most checkin.makeup.window_days (7)",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_refused(body: str, said: str) -> None:
    assert said in _refused(body)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("chekin = 1", "chekin"),
        ("[checkin]\npoint = 5", "checkin.point"),
        ("[checkin]\nvariants = true", "checkin.variants"),
        ("[checkin.streak]\nEvery = 7", "checkin.streak.Every"),
        ("[limits]\nmember = 7", "limits.member"),
        ("[privacy]\nboard = 'opt_in'", "privacy.board"),
        (_earn("points = 1\nproof = { new_clicks_min = 1 }"), "earn.buy.proof"),
        ("[redeem]\npool = { deadline_h = 24 }", "redeem.pool"),
        ("[redeem.gift]\nper_day = 3", "redeem.gift.per_day"),
        *((f"[{section}]", section) for section in ("referrals", "alerts")),
        ("[[shop]]\nid = 'x'", "shop"),
    ],
)
def test_a_key_that_is_not_known_is_refused(body: str, key: str) -> None:
    assert _refused(body) == f"{NAME}: {key}: there is no such key"


@pytest.mark.parametrize("version", ["0", "2", "-1", "'one'", "1.5"])
def test_another_form_of_the_document_is_refused(version: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: version = {version}"):
        read_rulebook(f"version = {version}", name=NAME)


@pytest.mark.parametrize("document", ["", "# nothing", "[checkin]\npoints = 5"])
def test_a_document_must_say_its_form(document: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: version: is missing; it must be"):
        read_rulebook(document, name=NAME)


@pytest.mark.parametrize(
    "document",
    ["a b", "version = ", "version = 1\nversion = 1", "[checkin", "{}", "\x00", "version: 1"],
)
def test_what_is_not_toml_is_refused_with_the_place(document: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: not TOML: .*\(at "):
        read_rulebook(document, name=NAME)


@pytest.mark.parametrize("document", [f"a = {'[' * 60_000}", f"a = {'9' * 60_000}"])
def test_what_is_meant_to_break_the_reader_is_refused_as_well(document: str) -> None:
    with pytest.raises(RulebookError, match=rf"^{NAME}: not TOML: "):
        read_rulebook(document, name=NAME)


def test_every_fault_of_a_document_is_named_at_once() -> None:
    with pytest.raises(RulebookError) as refused:
        read_rulebook("extra = 1\n[checkin]\npoints = 0\n[boards]\nplaces = 99", name=NAME)
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{NAME}: ") for line in lines)
    for part in ("version: is missing", "checkin.points = 0", "boards.places = 99", "extra: there"):
        assert any(part in line for line in lines)


def test_no_message_speaks_the_schemas_own_language() -> None:
    body = "[checkin]\npoints = 'x'\n[[earn]]\nid = 1\n[[level]]\nmin = 'x'\n[activity]\nx = 1"
    assert not re.search(r"input|instance|validation|tuple|dictionary|pattern", _refused(body))


def test_rules_that_stand_cannot_be_changed() -> None:
    rules = Rulebook(version=1)
    with pytest.raises(ValueError, match="frozen"):
        rules.checkin.points = 1_000
    assert math.isclose(rules.checkin.streak.bonus, 0.2)


def test_one_documents_categories_are_not_anothers() -> None:
    Rulebook(version=1).categories["behaviour"] = 9.0
    assert Rulebook(version=1).categories["behaviour"] == 1.0


@given(st.integers(0, 100_000), st.sampled_from([1, 10, 100, 1_000]))
def test_a_number_is_read_as_it_was_written(digits: int, scale: int) -> None:
    assert exact(digits / scale) == Fraction(digits, scale)


def test_events_are_named_as_the_schema_takes_them() -> None:
    for event in (*EVENTS, f"{CUSTOM}x"):
        read_rulebook("version = 1\n" + _earn("points = 1\nname = 'x'", event=event), name=NAME)

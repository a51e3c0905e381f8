"""Meeting newcomers: what a document may say, who is new, the greeting, and the questions."""

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.greeting import CHOICES, Newcomer, choices, greeting, question
from content.lint import lint
from content.rulebook import Rulebook, RulebookError, read_rulebook
from content.rulediff import worse
from content.texts import LOCALES, texts
from content.welcome import QuizQuestion, WelcomeRules, days_left, fits

DAY = date(2026, 3, 4)
QUIZ = "quiz = [{ ask = '几天一次？', right = '七天', wrong = ['一天', '两天'] }]\n"
WEEK = WelcomeRules(double_days=7)


def _rules(body: str) -> Rulebook:
    return read_rulebook(f"version = 1\n[welcome]\n{body}", name="test")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "text = '{who} 好'",
            "welcome.text = '{who} 好': may hold {name} and {group}, and no other",
        ),
        ("text = '{name!r}'", "welcome.text = '{name!r}': may hold"),
        ("text = '{name:>9}'", "welcome.text = '{name:>9}': may hold"),
        ("text = '{name.x}'", "welcome.text = '{name.x}': may hold"),
        ("text = '{'", "welcome.text = '{': may hold"),
        ("text = '{}'", "welcome.text = '{}': may hold"),
        (f"text = '{'长' * 501}'", "must be at most 500 characters"),
        ("sources = { src_a = '{x}' }", "welcome.sources.src_a = '{x}': may hold"),
        ("sources = { shop = 'x' }", "welcome.sources.shop: this name must be src_ and 1 to 28"),
        ("bundle_s = 9", "welcome.bundle_s = 9: must be a whole number from 10 to 600"),
        ("verify = 'captcha'", "welcome.verify = 'captcha': must be one of 'off', 'button', 'sum'"),
        ("verify = 'quiz'", "welcome.quiz = []: must hold a question"),
        (
            "quiz = [{ ask = 'x', right = 'a', wrong = [] }]",
            "welcome.quiz.1.wrong = []: must be a list",
        ),
        (
            "quiz = [{ ask = 'x', right = 'a', wrong = ['b', 'a'] }]",
            "welcome.quiz.1.wrong = ['b', 'a']: must differ from each other",
        ),
        ("quiz = [{ ask = 'x', wrong = ['b'] }]", "welcome.quiz.1.right: is missing"),
        ("requests = 'ask'", "welcome.requests = 'ask': needs a question"),
        ("quiet = true", "welcome.quiet = True: needs a way out of it"),
        ("verify_min = 1", "welcome.verify_min = 1: must be a whole number from 2 to 1,440"),
        ("raid_joins = 1", "welcome.raid_joins = 1: must be a whole number from 2 to 10,000"),
        ("double_days = 91", "welcome.double_days = 91: must be a whole number from 0 to 90"),
        ("double = 0.5", "welcome.double = 0.5: must be a number from 1 to 10"),
        (
            "double_days = 7\ndouble_categories = ['sport']",
            "welcome.double_categories = ['sport']: must be among [categories]: consume, social",
        ),
    ],
)
def test_what_does_not_fit_is_refused(body: str, said: str) -> None:
    with pytest.raises(RulebookError) as refused:
        _rules(body)
    assert said in str(refused.value)


def test_a_document_of_before_with_categories_of_its_own_still_stands() -> None:
    rules = read_rulebook(
        "version = 1\n[categories]\nall = 1\n[checkin]\ncategory = 'all'\n"
        "[activity]\ncategory = 'all'\n",
        name="test",
    )
    assert rules.welcome == WelcomeRules()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("text = '来就提 现'", "refuse welcome.text: "),
        ("sources = { src_a = '拉人头有奖' }", "refuse welcome.sources.src_a: "),
        ("verify = 'quiz'\n" + QUIZ.replace("七天", "返现"), "refuse welcome.quiz.1: "),
        (
            "double_days = 7\ndouble = 5.0",
            "warn welcome.double: 5: stacking.max_total lets through",
        ),
        (
            (
                "double_days = 7\ndouble_categories = ['consume']\n[[earn]]\nid = 'buy'\n"
                "event = 'order.completed'\ncategory = 'consume'\nper_yuan = 1"
            ),
            "warn welcome.double_categories: points for money",
        ),
        (
            "verify = 'quiz'\nquiz = [{ ask = 'x', right = 'a', wrong = ['b'] }]",
            "warn welcome.quiz: a question with two choices",
        ),
    ],
)
def test_what_lint_says(body: str, said: str) -> None:
    found = [f"{each.severity} {each.key}: {each.message}" for each in lint(_rules(body))]
    assert any(line.startswith(said) for line in found), found


def test_what_lint_does_not_talk_about() -> None:
    assert lint(_rules("double_days = 7\nverify = 'quiz'\n" + QUIZ)) == ()


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("double_days = 7", "double_days = 6", ["welcome.double_days"]),
        ("double_days = 7\ndouble = 3.0", "double_days = 7", ["welcome.double"]),
        (
            "double_days = 7",
            "double_days = 7\ndouble_categories = ['social']",
            ["welcome.double_categories.behaviour"],
        ),
        ("double = 3.0", "double = 2.0", []),  # which was off
        ("", "verify = 'sum'\nraid_joins = 3", []),
    ],
)
def test_what_is_worse_for_members(old: str, new: str, keys: list[str]) -> None:
    assert list(worse(_rules(old), _rules(new))) == keys


def test_to_end_the_first_days_is_worse() -> None:
    assert "welcome.double_days" in worse(_rules("double_days = 7"), _rules(""))


@pytest.mark.parametrize(
    ("rules", "after", "left"),
    [
        (WEEK, 0, 7),
        (WEEK, 6, 1),
        (WEEK, 7, 0),
        (WEEK, 400, 0),
        (WEEK, -1, 0),
        (WelcomeRules(), 0, 0),
        (WelcomeRules(double_days=7, double=1.0), 0, 0),
    ],
)
def test_days_left(rules: WelcomeRules, after: int, left: int) -> None:
    assert days_left(rules, DAY, DAY + timedelta(days=after)) == left


@given(st.text(alphabet="{}namegroup !:.[]0x", max_size=20))
def test_a_text_that_fits_can_always_be_filled(words: str) -> None:
    if fits(words):
        words.format(name="{x}", group="%s")


# -- what is said --------------------------------------------------------------------------------


def _people(*names: str, **more: object) -> list[Newcomer]:
    return [
        Newcomer(name, **{"source": "", "back": False, "open": False, **more}) for name in names
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_greeting_names_everybody_and_fits_into_any_message(locale: str) -> None:
    people = _people(*("😀" * 24 for _ in range(200)), open=True)
    reply = greeting(WelcomeRules(verify="sum"), texts(locale), "群" * 255, people)
    assert "200" in reply.text
    assert len(reply.text) < 1_500
    assert [len(row) for row in reply.buttons] == [1, 2]


def test_who_comes_back_and_who_is_verified_are_not_asked() -> None:
    zh, rules = texts("zh"), WelcomeRules(verify="sum")
    both = _people("小明") + _people("小红", back=True)
    reply = greeting(rules, zh, "群", both)
    assert [line[:8] for line in reply.text.splitlines()] == [
        "👋 欢迎 小明 来到"[:8],
        "👋 小红，欢迎回",
    ]
    assert len(reply.buttons) == 1


def test_too_many_texts_are_one() -> None:
    sources = {f"src_{n}": f"{n} {{name}}" for n in range(4)}
    rules = WelcomeRules(text="好 {name}", sources=sources)
    people = [each for n in range(4) for each in _people(f"客{n}", source=f"src_{n}")]
    assert greeting(rules, texts("zh"), "群", people[:3]).text == "0 客0\n1 客1\n2 客2"
    assert greeting(rules, texts("zh"), "群", people).text == "好 客0、客1、客2、客3"


def test_a_name_that_turns_words_around_is_kept_apart() -> None:
    reply = greeting(WelcomeRules(text="{name}!"), texts("zh"), "群", _people("שלום"))
    assert reply.text == "\u2068שלום\u2069!"


@pytest.mark.parametrize("seed", range(50))
def test_a_sum_has_one_right_answer_among_others(seed: int) -> None:
    asked = question("sum", (), texts("zh"), Random(seed))
    one, two = asked.words.removesuffix(" = ?").split(" + ")
    assert asked.choices[asked.right] == str(int(one) + int(two))
    assert len(set(asked.choices)) == CHOICES
    assert all(int(each) > 0 for each in asked.choices)


def test_the_right_answers_place_is_by_chance() -> None:
    quiz = (QuizQuestion(ask="x", right="a", wrong=("b", "c", "d", "e", "f")),)
    for way in ("sum", "quiz"):
        places = {question(way, quiz, texts("zh"), Random(seed)).right for seed in range(200)}
        assert places == set(range(CHOICES))


def test_buttons_hold_a_token_and_a_place_and_fit() -> None:
    asked = question("sum", (), texts("zh"), Random(1))
    rows = choices(asked, "f" * 15)
    assert [len(row) for row in rows] == [3, 3]
    flat = [button for row in rows for button in row]
    assert [button.command for button in flat] == [f"verify {'f' * 15} {n}" for n in range(6)]
    assert all(len(button.command.encode()) <= 64 for button in flat)

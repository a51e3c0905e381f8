"""The words: the same keys and placeholders in every language, and everything said exists."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from content import texts as module
from content.creditrules import FREEZES, KINDS
from content.questrules import DEEDS
from content.referralrules import Proof
from content.rulebook import EVENTS, PERKS, Deeds, ExpiryRules, LimitRule
from content.texts import LOCALES, problems, texts
from content.windows import WINDOWS
from handlers.event import SenderKind
from handlers.router import discover
from storage.honours import TITLES

ROOT = Path(module.__file__).parents[2]
FOLDER = ROOT / "content" / "texts"


def _table(path: Path) -> dict[str, str]:
    def flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    return dict(flat(tomllib.loads(path.read_text("utf-8")), ""))


def _holes(text: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name is not None})


def _python() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("handlers", "bot", "content"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def _literals() -> Iterator[tuple[str, str]]:
    for name, tree in _python():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield name, node.value


def _choices(model: type[BaseModel], field: str) -> tuple[str, ...]:
    return get_args(model.model_fields[field].annotation)


@pytest.mark.parametrize("family", ["", "room."])
def test_languages_have_the_same_keys_and_placeholders(family: str) -> None:
    base = _table(FOLDER / f"{family}zh.toml")
    assert len(base) > 20
    for locale in LOCALES[1:]:
        other = _table(FOLDER / f"{family}{locale}.toml")
        assert other.keys() == base.keys()
        assert {k: _holes(v) for k, v in other.items()} == {k: _holes(v) for k, v in base.items()}


def test_the_languages_check_finds_nothing_to_say() -> None:
    assert problems() == []


def test_the_languages_check_finds_every_kind_of_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = {
        "zh": {"a.same": "{n} 分", "a.lost": "只有中文", "a.holes": "{name}"},
        "en": {"a.same": "{n} points", "a.more": "English alone", "a.holes": "{nam}"},
    }
    monkeypatch.setattr(module, "_load", faulty.__getitem__)
    assert problems() == [
        "content/texts/en.toml: a.holes has other placeholders than zh.toml",
        "content/texts/en.toml: a.lost is missing",
        "content/texts/en.toml: a.more is not in zh.toml",
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_empty_or_ends_in_white_space(locale: str) -> None:
    for key, text in _table(FOLDER / f"{locale}.toml").items():
        assert text.strip(), key
        assert text == text.rstrip(), key


def test_every_key_that_code_says_exists() -> None:
    table = _table(FOLDER / "zh.toml")
    groups = "|".join(sorted({key.partition(".")[0] for key in table}))
    pattern = re.compile(rf"(?:{groups})\.[a-z_]+")
    said = {(name, text) for name, text in _literals() if pattern.fullmatch(text)}
    # content names keys of rules in the same way: of texts it says those of rows alone
    said = {each for each in said if each[0][:7] != "content" or each[1].startswith("import.")}
    assert len(said) > 25  # the search itself works
    assert sorted((name, key) for name, key in said if key not in table) == []


def test_every_key_that_code_puts_together_exists() -> None:
    table = _table(FOLDER / "zh.toml")
    made = {f"top.{window}" for window in WINDOWS}
    made |= {f"who.{kind}" for kind in get_args(SenderKind) if kind != "person"}
    made |= {"help.group", "help.private"}
    made |= {f"rung.{state}" for state in ("open", "fulfilled", "reversed")}
    made |= {f"proof.{proof.replace('.', '_')}" for proof in get_args(Proof)}
    made |= {f"earn.{event.replace('.', '_')}" for event in EVENTS}
    made |= {f"per.{per}" for per in _choices(LimitRule, "per")}
    made |= {f"expiry.{base}" for base in _choices(ExpiryRules, "base")}
    windows = (*WINDOWS, "lastweek", "lastmonth")
    made |= {f"top.{of}_{window}" for of in ("talk", "invite", "spend") for window in windows}
    made |= {f"title.{title}" for title in TITLES} | {f"weekly.{title}" for title in TITLES}
    made |= {f"badge.{what}" for what in get_args(Deeds)} | {f"perk.{perk}" for perk in PERKS}
    made |= {f"finding.{kind}" for kind in (*KINDS, "together", "feeder")} - {
        "finding.multi_account"
    }
    made |= {f"frozen.{what}" for what in FREEZES}
    made |= {f"credit.{state}" for state in ("open", "confirmed", "appealed")}
    made |= {f"command.{name}" for name in discover().commands}
    deeds = [deed.replace(".", "_") for deed in DEEDS]
    made |= {f"{key}.{deed}" for key in ("quest_step", "quest_hint") for deed in deeds}
    assert made - table.keys() == set()
    assert {key for key in table if key.startswith("quest_hint.")} <= made


def test_every_button_has_a_label_and_a_command_behind_it() -> None:
    commands = {f"top {window} here" for window in WINDOWS}
    for _, tree in _python():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"row", "button"}
            ):
                commands |= {
                    arg.value
                    for arg in node.args
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                }
    assert {"checkin", "top week", "help"} <= commands
    router = discover()
    for command in commands:
        assert command.partition(" ")[0] in router.commands, command
        assert len(command.encode()) <= 64, command
        for locale in LOCALES:
            assert f"button.{command.replace(' ', '_')}" in texts(locale), command


def test_nothing_is_kept_that_nobody_says() -> None:
    code = "\n".join(text for _, text in _literals())
    table = _table(FOLDER / "zh.toml")
    made = ("top.", "who.", "button.", "command.", "reason.", "chip.", "help.", "lacks.")
    made += ("earn.", "per.", "expiry.", "kind.", "quest_step.", "quest_hint.")
    made += ("title.", "weekly.", "badge.", "perk.", "finding.", "frozen.", "credit.", "about.")
    made += ("rung.", "proof.")
    unsaid = [key for key in table if not key.startswith(made) and key not in code]
    events = {f"earn.{event.replace('.', '_')}" for event in EVENTS}
    unsaid += [key for key in table if key.startswith("earn.") and key not in events]
    unsaid += [f"reason.{key}" for key in ("checkin",) if f"reason.{key}" not in table]
    unsaid = [key for key in unsaid if not key.startswith("trouble.")]  # said by the doors
    assert unsaid == []


def test_a_missing_key_or_value_is_an_error() -> None:
    zh = texts("zh")
    with pytest.raises(KeyError):
        zh.say("no.such")
    with pytest.raises(KeyError):
        zh.say("points.rank", rank=1)


def test_a_value_is_said_as_it_stands() -> None:
    said = texts("zh").say("checkin.already", name="{balance}{0}{x.__class__}%s", balance=5)
    assert said.startswith("{balance}{0}{x.__class__}%s，")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("zh", "zh"),
        ("zh-hans", "zh"),
        ("zh_TW", "zh"),
        ("ZH-CN", "zh"),
        ("en", "en"),
        ("en-GB", "en"),
        ("de", "en"),
        ("xx-yy", "en"),
        ("", "zh"),
    ],
)
def test_a_language_finds_its_nearest(asked: str, found: str) -> None:
    assert texts(asked).locale == found

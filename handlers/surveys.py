"""Surveys: questions of the rules, answered by one tap each, once by each member; and what came."""

import re
from collections.abc import Collection

from content import questing
from content.message import Button, Refusal, Reply
from content.questrules import SURVEY, SurveyRule
from handlers import occasions
from handlers.context import Context
from handlers.occasions import Occasion
from storage import quests as store

_ASKED = re.compile(r"([a-z][a-z0-9_-]{0,23}) ([0-9]{1,19})")
_ANSWERED = re.compile(r"([a-z][a-z0-9_-]{0,23}) ([0-9]) ([0-9]) ([0-9]{1,19})")
PERCENT = 100


def _survey(ctx: Context, id_: str) -> SurveyRule | None:
    return next((each for each in ctx.rules.survey if each.id == id_), None)


def ask(ctx: Context, words: str, asked: Collection[str]) -> Reply:
    """Ask the next question of a survey; `asked` names the deeds that his open quests wait for."""
    found = _ASKED.fullmatch(words)
    survey = _open(ctx, found and found[1], asked)
    if found is None or found[2] != str(ctx.member.id):
        raise Refusal("survey.not_yours", name=ctx.name)
    return _next(ctx, survey)


def answer(ctx: Context, words: str, asked: Collection[str]) -> Reply:
    """Keep an answer, given by the button under its question, and ask the next one."""
    found = _ANSWERED.fullmatch(words)
    survey = _open(ctx, found and found[1], asked)
    if found is None or not ctx.event.genuine:
        raise Refusal("survey.over", name=ctx.name)
    if found[4] != str(ctx.member.id):
        raise Refusal("survey.not_yours", name=ctx.name)
    question, choice = int(found[2]), int(found[3])
    if question >= len(survey.questions) or choice >= len(survey.questions[question].choices):
        raise Refusal("survey.over", name=ctx.name)
    here = ctx.programme
    given = (survey.id, question)
    store.choose(ctx.tx, here.id, ctx.member.id, given, choice, here.rules_version, ctx.now)
    return _next(ctx, survey)


def _open(ctx: Context, id_: str | None, asked: Collection[str]) -> SurveyRule:
    survey = _survey(ctx, id_ or "")
    if survey is None or f"{SURVEY}{survey.id}" not in asked:
        raise Refusal("survey.over", name=ctx.name)
    return survey


def _next(ctx: Context, survey: SurveyRule) -> Reply:
    """Ask the first question that he has not answered; thank him when there is none."""
    name, member_id = survey.called(ctx.texts.locale), ctx.member.id
    answered = store.answered(ctx.tx, ctx.programme.id, member_id, survey.id)
    left = [number for number in range(len(survey.questions)) if number not in answered]
    if not left:
        what, day = f"{SURVEY}{survey.id}", ctx.today
        occasion = Occasion(what, member_id, ctx.event.at, day, f"{day}/{what}/{member_id}")
        lines = occasions.tell(ctx.tx, ctx.programme, occasion, ctx.now)
        thanks = Reply(ctx.texts.say("survey.thanks", name=ctx.name, survey=name), replaces=True)
        return ctx.with_lines(thanks, lines)
    number = left[0]
    question = survey.questions[number]
    text = ctx.texts.say(
        "survey.question",
        survey=name,
        number=number + 1,
        of=len(survey.questions),
        ask=question.asked(ctx.texts.locale),
    )
    rows = tuple(
        (Button(choice, f"quests answer {survey.id} {number} {place} {member_id}"),)
        for place, choice in enumerate(question.offered(ctx.texts.locale))
    )
    return Reply(text, rows, replaces=True, alone=True)


def results(ctx: Context, id_: str) -> Reply:
    """Show an owner how many have chosen what. Without an id, which surveys there are."""
    if ctx.event.sender.role != "owner":
        raise Refusal("survey.owners")
    surveys = [each for each in ctx.rules.survey if each.id == id_] or [*ctx.rules.survey]
    if not surveys:
        raise Refusal("survey.none")
    if len(surveys) > 1:
        names = "\n".join(f"· {each.id} {each.called(ctx.texts.locale)}" for each in surveys)
        return ctx.say("survey.which", surveys=names, private=True)
    survey, counts = surveys[0], store.results(ctx.tx, ctx.programme.id, surveys[0].id)
    lines = [ctx.texts.say("survey.results", survey=survey.called(ctx.texts.locale))]
    for number, question in enumerate(survey.questions):
        chosen = [counts.get((number, place), 0) for place in range(len(question.choices))]
        total = sum(chosen)
        asked = question.asked(ctx.texts.locale)
        lines.append(ctx.texts.say("survey.asked", number=number + 1, ask=asked, total=total))
        for choice, times in zip(question.offered(ctx.texts.locale), chosen, strict=True):
            percent = round(times * PERCENT / total) if total else 0
            bar = questing.bar(times, total)
            lines.append(f"{bar} {choice} · {times} ({percent}%)")
    return Reply("\n".join(lines), private=True)

"""Programmes and groups: whose points are whose, and what a chat keeps when it changes."""

import pytest
from sqlalchemy import Engine, text

from content.rulebook import RulebookError, read_rulebook, shipped_document
from storage import programmes
from storage.db import Tx, reading
from storage.programmes import MAIN, TITLE_MAX, Defaults, Group
from tests.storage.books import DEFAULTS, NOW, count, give, member, transaction


def _open(tx: Tx, chat_id: str, *, by_owner: bool = False, title: str = "露营群") -> Group:
    return programmes.open_group(
        tx, "telegram", chat_id, title, by_owner=by_owner, defaults=DEFAULTS, now=NOW
    )


def _main(tx: Tx) -> None:
    programmes.create(tx, MAIN, "营", DEFAULTS, NOW)


def test_a_programme_starts_under_the_shipped_rules(engine: Engine) -> None:
    with transaction(engine) as tx:
        programmes.create(tx, 5, "营", Defaults("America/New_York", "en"), NOW)
    with reading(engine) as tx:
        found = programmes.programme(tx, 5, NOW)
    assert (found.name, found.zone.key, found.locale) == ("营", "America/New_York", "en")
    assert (found.rules_version, found.rules_since) == (1, NOW)
    assert found.rules == read_rulebook(shipped_document(), name="shipped")


def test_a_programme_that_exists_stays_as_it_is(engine: Engine) -> None:
    with transaction(engine) as tx:
        _main(tx)
        programmes.create(tx, MAIN, "other", Defaults("UTC", "en"), NOW)
        assert programmes.programme(tx, MAIN, NOW).name == "营"
        assert count(tx, "rulebook") == 1


def test_a_programme_that_does_not_exist_is_an_error(engine: Engine) -> None:
    with reading(engine) as tx, pytest.raises(LookupError, match="4711"):
        programmes.programme(tx, 4711, NOW)


def test_rules_that_cannot_be_read_name_their_programme_and_version(engine: Engine) -> None:
    with transaction(engine) as tx:
        programmes.create(tx, 601, "营", DEFAULTS, NOW)
        tx.core.execute(
            text(
                "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
                " effective_ms) VALUES (601, 2, 'version = 9', 'me', '', 0, 0)"
            )
        )
        with pytest.raises(RulebookError, match="programme 601, version 2"):
            programmes.programme(tx, 601, NOW)


def test_an_owners_group_joins_the_main_programme_a_strangers_gets_its_own(
    engine: Engine,
) -> None:
    with transaction(engine) as tx:
        _main(tx)
        ours = [_open(tx, "-1", by_owner=True), _open(tx, "-2", by_owner=True)]
        theirs = [_open(tx, "-3"), _open(tx, "-4")]
        assert [group.programme_id for group in ours] == [MAIN, MAIN]
        assert len({MAIN, *(group.programme_id for group in theirs)}) == 3
        assert programmes.programme(tx, theirs[0].programme_id, NOW).name == "露营群"
        assert programmes.group(tx, "telegram", "-1") == ours[0]
        assert programmes.group(tx, "local", "-1") is None
        assert programmes.group(tx, "telegram", "-9") is None


def test_a_group_is_adopted_while_no_points_are_posted(engine: Engine) -> None:
    with transaction(engine) as tx:
        _main(tx)
        programmes.adopt(tx, _open(tx, "-1"), since=NOW)
        found = programmes.group(tx, "telegram", "-1")
        assert found is not None
        assert found.programme_id == MAIN
        programmes.adopt(tx, found, since=NOW)  # twice is harmless


def test_a_group_with_points_keeps_its_programme(engine: Engine) -> None:
    with transaction(engine) as tx:
        _main(tx)
        theirs = _open(tx, "-1")
        give(tx, theirs.programme_id, member(tx, theirs.programme_id), 5)
        programmes.adopt(tx, theirs, since=NOW)
        found = programmes.group(tx, "telegram", "-1")
        assert found is not None
        assert found.programme_id == theirs.programme_id


def test_a_group_may_have_a_title_of_any_length(engine: Engine) -> None:
    with transaction(engine) as tx:
        for length in (1, 128, 200, 201, 255, 4_000):
            made = _open(tx, f"-{length}", title="群" * length)
            assert made.title == "群" * min(length, TITLE_MAX)


@pytest.mark.parametrize("title", ["a\x00b", "a\ud83db"], ids=["NUL", "half an emoji"])
def test_a_group_may_have_a_title_that_no_database_takes(engine: Engine, title: str) -> None:
    with transaction(engine) as tx:
        assert _open(tx, "-1", title=title).title == "ab"


def test_a_title_is_kept_when_it_changes_and_not_lost_when_it_is_missing(engine: Engine) -> None:
    with transaction(engine) as tx:
        made = _open(tx, "-1", title="旧名")
        for title, kept in (("新名", "新名"), ("", "新名"), ("长" * 300, "长" * TITLE_MAX)):
            known = programmes.group(tx, "telegram", "-1")
            assert known is not None
            if programmes.renames(known, title):
                assert programmes.rename(tx, known, title).title == kept
            found = programmes.group(tx, "telegram", "-1")
            assert found == made._replace(title=kept)


def test_the_bot_comes_and_goes(engine: Engine) -> None:
    with transaction(engine) as tx:
        made = _open(tx, "-1")
        assert made.state == "active"
        for state in ("removed", "removed", "active"):
            known = programmes.group(tx, "telegram", "-1")
            assert known is not None
            programmes.set_state(tx, known, state)
            assert programmes.group(tx, "telegram", "-1") == made._replace(state=state)


def _forwards(tx: Tx, old: str) -> int:
    """Return the pool to which words under a chat's old id belong."""
    forward = programmes.group(tx, "telegram", old)
    assert forward is not None
    assert forward.state == "active"
    return forward.programme_id


def test_a_group_keeps_everything_when_its_chat_gets_another_id(engine: Engine) -> None:
    with transaction(engine) as tx:
        made = _open(tx, "-1")
        for _ in range(2):  # the news comes twice: from the old chat and from the new
            programmes.follow_chat(tx, "telegram", "-1", "-100")
        assert _forwards(tx, "-1") == made.programme_id
        assert programmes.group(tx, "telegram", "-100") == made._replace(chat_id="-100")


def test_a_group_opened_under_the_new_id_too_early_steps_aside(engine: Engine) -> None:
    with transaction(engine) as tx:
        made, stray = _open(tx, "-1"), _open(tx, "-100")
        give(tx, stray.programme_id, member(tx, stray.programme_id), 5)
        programmes.follow_chat(tx, "telegram", "-1", "-100")
        programmes.follow_chat(tx, "telegram", "-1", "-100")
        assert programmes.group(tx, "telegram", "-100") == made._replace(chat_id="-100")
        assert _forwards(tx, "-1") == made.programme_id
        aside = programmes.group(tx, "telegram", f"-100#{stray.id}")
        assert aside is not None
        assert (aside.programme_id, aside.state) == (stray.programme_id, "merged")


def test_a_chat_that_nobody_knows_can_move_without_harm(engine: Engine) -> None:
    with transaction(engine) as tx:
        other = _open(tx, "-100")
        programmes.follow_chat(tx, "telegram", "-1", "-100")
        assert programmes.group(tx, "telegram", "-100") == other

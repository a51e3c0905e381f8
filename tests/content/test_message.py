"""The words' envelope comes out of the store as it went in."""

import json
from datetime import UTC

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.message import (
    BUTTON_BYTES_MAX,
    Button,
    DeleteMessage,
    LetIn,
    Loud,
    MakeLink,
    Quiet,
    Refusal,
    Reply,
    SetTag,
    TurnAway,
    pack,
    unpack,
)

BUTTONS = st.one_of(
    st.builds(Button, label=st.text(max_size=20), command=st.text(min_size=1, max_size=20)),
    st.builds(Button, label=st.text(max_size=20), url=st.text(min_size=1, max_size=200)),
)
ACTIONS = st.one_of(
    st.builds(MakeLink, ref=st.text(max_size=20), name=st.text(max_size=40), asks=st.booleans()),
    st.builds(LetIn, user_id=st.text(max_size=20)),
    st.builds(TurnAway, user_id=st.text(max_size=20)),
    st.builds(
        Quiet, user_id=st.text(max_size=20), until=st.none() | st.datetimes(timezones=st.just(UTC))
    ),
    st.builds(Loud, user_id=st.text(max_size=20)),
    st.builds(SetTag, user_id=st.text(max_size=20), tag=st.text(max_size=20)),
    st.builds(DeleteMessage, message_id=st.text(max_size=20)),
)
REPLIES = st.builds(
    Reply,
    text=st.text(max_size=300),
    buttons=st.lists(st.lists(BUTTONS, max_size=3).map(tuple), max_size=3).map(tuple),
    private=st.booleans(),
    replaces=st.booleans(),
    once=st.booleans(),
    life_s=st.integers(-(2**53), 2**53),
    action=st.none() | ACTIONS,
)


@given(REPLIES)
def test_a_reply_comes_back_as_it_was_packed(reply: Reply) -> None:
    packed = pack(reply)
    assert unpack(packed) == reply
    assert unpack(packed.encode()) == reply
    json.loads(packed)


def test_what_is_usual_takes_no_room() -> None:
    assert json.loads(pack(Reply("好"))) == {"text": "好"}
    assert unpack('{"text":"好"}') == Reply("好", (), False, False, False, 900)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"text":1}',
        '{"text":"x","buttons":[{"label":"a","command":"b"}]}',
        '{"text":"x","buttons":[[{"label":"a"}]]}',
        '{"text":"x","private":"yes"}',
        '{"text":"x"',
    ],
)
def test_what_is_no_reply_is_refused(payload: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(payload)


def test_a_reply_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Reply("好").text = "坏"


def test_a_refusal_carries_its_key_values_and_buttons() -> None:
    buttons = ((Button("帮助", "help"),),)
    refusal = Refusal("top.usage", buttons=buttons, given="x")
    assert (refusal.key, refusal.buttons, refusal.values) == (
        "top.usage",
        buttons,
        {"given": "x"},
    )
    assert str(refusal) == "top.usage"
    assert BUTTON_BYTES_MAX == 64

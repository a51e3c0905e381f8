"""What a shop tells: faults in plain words, however many there are."""

import pytest
from pydantic import ValidationError

from content.notice import Fault, Notice, faults


def _faults(document: object) -> list[Fault]:
    with pytest.raises(ValidationError) as refused:
        Notice.model_validate(document)
    return faults(refused.value)


def test_a_fault_says_what_is_wrong_and_where() -> None:
    found = _faults({"key": "a", "event": "nonsense", "at": "2026-03-04T12:00:00+08:00"})
    assert [fault.where for fault in found] == ["event"]
    assert "order.completed" in found[0].what


def test_thousands_of_faults_are_counted_and_not_listed() -> None:
    (found,) = _faults({f"key{number}": 1 for number in range(5_000)})
    assert "500" in found.what

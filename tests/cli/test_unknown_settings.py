"""A slip in a setting's name is refused, not passed over."""

import pytest

from bot.config import SettingsError, load_settings


def test_a_mistyped_setting_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUNYING_TELEGRM_TOKEN", "123456789:secret-part-of-a-token")
    with pytest.raises(SettingsError, match="did you mean QUNYING_TELEGRAM_TOKEN") as refused:
        load_settings()
    assert "secret-part" not in str(refused.value)

"""What members do proves those who were invited: finished quests, as they are told of."""

from datetime import datetime

from content.occasion import Occasion
from handlers.questing import Heard
from storage import referrals
from storage.db import Tx
from storage.journeys import Sent
from storage.programmes import Programme

_NOTHING = Heard([], [])


def hear(
    tx: Tx,
    here: Programme,
    occasion: Occasion,
    now: datetime,  # noqa: ARG001 - as all who hear
    *,
    asked: Sent | None,  # noqa: ARG001
    aloud: bool,  # noqa: ARG001
) -> Heard:
    """Note a quest that proves who has finished it; orders, which may go back, tell `deeds`."""
    proves = occasion.what.startswith("quest.") and occasion.what in here.rules.referral.activate_by
    if proves:
        referrals.activate(tx, here.id, occasion.member_id, occasion.what, occasion.at)
    return _NOTHING

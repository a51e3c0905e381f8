"""What time does for invitations: they are paid, wait, are decided and told of, a few at a time."""

from datetime import datetime

from content.referral import OCCASION
from handlers import invite_news, occasions
from handlers.occasions import Occasion
from storage import invite_rewards, programmes
from storage.db import Tx


def with_work(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes in which something is due for invitations."""
    return invite_rewards.with_work(tx, now)


def run(tx: Tx, programme_id: int, now: datetime) -> int:
    """Do a part of what is due; return how much, 0 when all is done. Running it twice is safe."""
    here = programmes.programme(tx, programme_id, now)
    today = now.astimezone(here.zone).date()
    settled = invite_rewards.pay_due(tx, here, today, now)
    decided = invite_rewards.follow_reviews(tx, here, today, now)
    for each in (*settled.rewarded, *decided.rewarded):
        key = f"invite/{each.id}"
        occasion = Occasion(OCCASION, each.inviter_id, now, today, key)
        occasions.tell(tx, here, occasion, now, aloud=False)
    return settled.looked + decided.looked + invite_news.tell_due(tx, here, today, now)

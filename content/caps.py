"""How much or how often something may be earned in a period."""

from typing import Literal, NamedTuple


class Cap(NamedTuple):
    """A ceiling for one member: so many points, or times, in a day or month of the programme.

    `name` is the counter: awards that share a name share its ceiling.
    """

    name: str
    period: Literal["day", "month"]
    unit: Literal["points", "times"]
    most: int

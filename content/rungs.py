"""Rungs: points in steps of a 64th of their value, so that few of them hold a whole board."""

_BITS = 6  # a rung is as wide as the value's 64th part, and one point wide below 128


def rung(points: int) -> int:
    """Return the rung on which so many points stand: who stands higher has more points.

    Who has none, or less, stands on rung 0.
    """
    shift = points.bit_length() - _BITS - 1
    if shift <= 0 or points < 0:
        return max(points, 0)
    return (shift << _BITS) + (points >> shift)


def span(number: int) -> range:
    """Return the points that stand on a rung: the next rung begins where it ends."""
    shift = max(0, (number >> _BITS) - 1)
    first = (number - (shift << _BITS)) << shift
    return range(first, first + (1 << shift))

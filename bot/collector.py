"""The garbage collector of a process that answers at once: it looks seldom, and at little."""

import gc

THRESHOLDS = (100_000, 20, 20)
"""New containers before it looks (700 by default), and looks before it looks at older ones.

With a full queue there are 100,000 containers that all live. Going through them again and again
cost a third of the rate under twice the load that the store can take, and stopped all for up to
80 ms. There are hardly any cycles here to be found: what is done with goes by its count.
"""


def settle() -> None:
    """Leave alone what is loaded by now, which stays, and look seldom from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

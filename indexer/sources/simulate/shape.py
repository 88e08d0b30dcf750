"""How a simulated market behaves, measured on recorded ones (`datasets` in the recordings' README).

Sizes: 818 buys of three tokens, 2025-09-13. Activity: 2,092 trades of 289 mints in 116 s, 2025-06-05: the busiest mint
has 13 % of them, the n-th about 1/n of it; 57 % are buys; one launch a hundred trades.
"""

from bisect import bisect_right
from itertools import accumulate
from math import exp, log
from random import Random
from typing import Final

LAMPORTS: Final = 1_000_000_000
ZIPF_EXPONENT: Final = 1.05
LAUNCHES_PER_TRADE: Final = 0.01
FAILED_SHARE: Final = 0.05
"""Far fewer than on chain, where three of four fail: enough to be met, not so many that they cost."""
DBC_SHARE: Final = 0.12
"""Of launches; the rest are pump.fun's."""
_BUY_QUANTILES: Final = (
    (0.01, 0.00006),
    (0.05, 0.00489),
    (0.10, 0.00978),
    (0.25, 0.03911),
    (0.50, 0.12027),
    (0.75, 0.49974),
    (0.90, 1.06983),
    (0.95, 1.95556),
    (0.99, 2.93333),
)
_SHARES: Final = [share for share, _ in _BUY_QUANTILES]
_LOGS: Final = [log(size) for _, size in _BUY_QUANTILES]
SOLD_QUARTERS: Final = (1, 2, 2, 2, 4, 4, 4, 4)
"""How many quarters of a holding a sale takes, each as likely."""
MOMENTA: Final = ((0.15, 0.85), (0.28, 0.74), (0.82, 0.57), (1.00, 0.45))
"""(cumulative share of moods, share of buys): few tokens go up and fill their curve, the rest idle or die."""
MOOD_SWINGS: Final = 1 / 400
"""How often a trade ends one mood of its token and starts another."""


def _size(share: float) -> int:
    """Lamports of the buy that this share of buys does not exceed: the quantiles, interpolated in their logarithm."""
    share = min(max(share, _SHARES[0]), _SHARES[-1])
    upper = min(bisect_right(_SHARES, share), len(_SHARES) - 1)
    lower = upper - 1
    weight = (share - _SHARES[lower]) / (_SHARES[upper] - _SHARES[lower])
    return int(exp(_LOGS[lower] + weight * (_LOGS[upper] - _LOGS[lower])) * LAMPORTS)


_STEPS: Final = 1 << 10
_SIZES: Final = [_size(step / _STEPS) for step in range(_STEPS + 1)]


def buy_lamports(rng: Random) -> int:
    """Quote of one buy: the recorded distribution."""
    drawn = rng.getrandbits(20)
    lower = _SIZES[drawn >> 10]
    return lower + ((_SIZES[(drawn >> 10) + 1] - lower) * (drawn & 1023) >> 10)


def momentum(rng: Random) -> float:
    """Share of buys among the trades of a token while a mood lasts."""
    share = rng.random()
    return next(buys for bound, buys in MOMENTA if share <= bound)


def zipf(count: int) -> list[float]:
    """Cumulative weights of ranks 1 to `count`, for `Random.choices`."""
    return list(accumulate(rank**-ZIPF_EXPONENT for rank in range(1, count + 1)))

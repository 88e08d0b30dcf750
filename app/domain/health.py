"""How a part of the system is, in the words of `HealthState`."""

from typing import Final

OK: Final = "OK"
DEGRADED: Final = "DEGRADED"
DOWN: Final = "DOWN"

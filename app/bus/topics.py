"""The topics of the bus. There is one: everything that a commit stored goes out together, in feed order."""

from typing import Final

FEED: Final = "curvecast:feed"
"""Carries one `app.domain.records.Batch` a message."""

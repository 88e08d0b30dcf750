"""Who wants what: mailboxes by topic, so that a record reaches only those that it concerns."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from app.live.mailbox import Mailbox

T = TypeVar("T")


class Topic(Generic[T]):
    """Mailboxes by key (a mint, or "" where the topic has no key). Joining and leaving cost the same for any number."""

    def __init__(self) -> None:
        self._mailboxes: dict[str, dict[Mailbox[T], None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._mailboxes.values()))

    def __contains__(self, key: str) -> bool:
        return key in self._mailboxes

    @contextmanager
    def join(self, key: str, mailbox: Mailbox[T]) -> Iterator[Mailbox[T]]:
        """Puts what comes for `key` into `mailbox` while the context is open."""
        self._mailboxes.setdefault(key, {})[mailbox] = None
        try:
            yield mailbox
        finally:
            self._leave(key, mailbox)

    def send(self, key: str, record: T) -> None:
        for mailbox in self._mailboxes.get(key, ()):
            mailbox.put(record)

    def withdraw(self, key: str, is_gone: Callable[[T], bool]) -> None:
        """Takes back what was sent and not read yet."""
        for mailbox in self._mailboxes.get(key, ()):
            mailbox.withdraw(is_gone)

    def close(self) -> None:
        """Ends every mailbox."""
        for members in self._mailboxes.values():
            for mailbox in members:
                mailbox.close()

    def _leave(self, key: str, mailbox: Mailbox[T]) -> None:
        members = self._mailboxes[key]
        del members[mailbox]
        if not members:
            del self._mailboxes[key]

"""What a batch writes into the journal before it changes anything: how tokens and accounts are."""

from collections.abc import Sequence

from app.store.writer_accounts import AccountBook, Balance
from app.store.writer_journal import Journal
from app.store.writer_trades import Arrived
from app.store.writer_world import World


def note_tokens(journal: Journal, world: World, arrived: Sequence[Arrived]) -> None:
    """Keeps the tokens that an event which may be withdrawn is about to change."""
    if not journal.is_kept:
        return
    for event, key, _ in arrived:
        if journal.is_open(key[1]):
            journal.note_token(event.mint, world.token(event.mint))


def note_balances(journal: Journal, world: World, book: AccountBook, balances: Sequence[Balance]) -> None:
    """Keeps the accounts that a balance which may be withdrawn is about to change, and every balance of them. All must
    have been loaded."""
    if not journal.is_kept:
        return
    for balance in balances:
        state = world.token(balance.held.mint)
        if state is None:
            continue
        account = (state.row.id, balance.held.account)
        if journal.is_open(balance.key[1]):
            journal.note_account(account, book.get(account))
        journal.note_balance(account, balance)

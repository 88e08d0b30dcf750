"""What accounts say of a token, into what no indexed event told: pure, and never over an event's word.

An event that comes later still says its own: facts leave the keys empty by which events are ranked.
"""

from app.domain.facts import TokenFacts, VenueFacts
from app.store.writer_rows import VenueRow
from app.store.writer_states import TokenState, text

_OF_TOKEN = ("creator", "token_program", "total_supply")
_OF_VENUE = ("config", "is_inverted", "initial_real_base_reserves", "migration_threshold")
_OF_STATE = (
    "virtual_base_reserves",
    "virtual_quote_reserves",
    "real_base_reserves",
    "real_quote_reserves",
    "sqrt_price",
    "fee_bps",
)


def fill(state: TokenState, facts: TokenFacts) -> None:
    """Takes what is not known yet of the token and of those of its venues that are stored; `settle` must follow."""
    row = state.row
    if facts.decimals is not None and not _are_decimals_told(state):
        row.decimals = facts.decimals
    for name in ("name", "symbol", "uri"):
        if getattr(row, name) is None:
            setattr(row, name, text(getattr(facts, name)))
    _fill(row, facts, _OF_TOKEN)
    for told in facts.venues:
        if (venue := state.venues.get(told.address)) is not None:
            _fill_venue(venue, told)
            state.met.add(venue.address)


def _fill_venue(venue: VenueRow, facts: VenueFacts) -> None:
    _fill(venue, facts, _OF_VENUE)
    if not venue.has_state:
        _fill(venue, facts, _OF_STATE)


def _fill(row: object, facts: object, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(row, name) is None:
            setattr(row, name, getattr(facts, name))


def _are_decimals_told(state: TokenState) -> bool:
    """Launches, trades and pool creations tell them; completions and migrations leave them open."""
    has_traded = state.row.launch_signature is not None or state.row.trade_count > 0
    return has_traded or any(pool.has_state for pool in state.pools)

"""Account snapshots to fields: pump's curves, PumpSwap's pools and configs, DBC's pools and configs, of any version."""

from typing import NamedTuple

from app.errors import DecodeError
from indexer.layouts.borsh import LayoutError, Prefix
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import DISCRIMINATOR_BYTES
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.layouts.pump_fees import PUMP_FEES_IDL

_IDLS = {idl.program: idl for idl in (PUMP, PUMP_AMM, PUMP_FEES_IDL, DBC)}


class Account(NamedTuple):
    """What an account holds. `read.missing` are fields younger than it; `read.trailing` is mostly reserved space."""

    name: str
    read: Prefix


def read_account(owner: str, data: bytes) -> Account:
    """Reads an account by the program that owns it and its discriminator; DecodeError when it is none we know."""
    idl = _IDLS.get(owner)
    layout = idl.accounts.get(data[:DISCRIMINATOR_BYTES]) if idl else None
    if layout is None:
        raise DecodeError("unknown account", program=owner)
    try:
        return Account(layout.name, layout.decode(data))
    except LayoutError as error:
        raise DecodeError(f"{layout.name}: {error}", program=owner) from None

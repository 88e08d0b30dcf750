"""The Node interface and its global ids: base64 of `Type:key`, the same in queries and streams."""

import base64
import binascii
from typing import Any

import strawberry

from app.domain.records import GraduationRecord, PoolState, TokenRecord, TradeRecord
from app.errors import InvalidInput
from app.schema.views import CurveView, LaunchpadEventView, WalletView

_TYPE_NAMES: dict[type, str] = {
    TokenRecord: "Token",
    TradeRecord: "Trade",
    GraduationRecord: "GraduationEvent",
    CurveView: "BondingCurve",
    PoolState: "Pool",
    WalletView: "Wallet",
    LaunchpadEventView: "LaunchpadEvent",
}
_MAX_ID_CHARACTERS = 300


@strawberry.interface(description="Anything that can be fetched again by its globally unique, opaque id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque global id.")

    @classmethod
    def resolve_type(cls, value: object, _info: Any, _type: Any) -> str:
        return _TYPE_NAMES[type(value)]

    @classmethod
    def is_type_of(cls, _value: object, _info: Any) -> bool:
        # Types resolve from records of the domain, which know nothing of GraphQL.
        return True


def global_id(type_name: str, key: str) -> strawberry.ID:
    return strawberry.ID(base64.b64encode(f"{type_name}:{key}".encode()).decode())


def parse_global_id(text: str) -> tuple[str, str]:
    """Type name and key. Raises InvalidInput for anything that is no id of ours."""
    try:
        decoded = base64.b64decode(text[: _MAX_ID_CHARACTERS + 1], validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _not_ours() from error
    type_name, separator, key = decoded.partition(":")
    if not separator or type_name not in _TYPE_NAMES.values() or len(text) > _MAX_ID_CHARACTERS:
        raise _not_ours()
    return type_name, key


def _not_ours() -> InvalidInput:
    return InvalidInput("This is not a global id of this server: pass the `id` that a field gave.")

"""The declared layouts are those of the official IDLs, today's and every earlier one, and encode as they decode."""

import re
from typing import Any

import pytest
from chain import blank
from hypothesis import given
from hypothesis import strategies as st
from recorded import load, names, needs_recordings

from indexer import base58
from indexer.layouts.borsh import PRIMITIVES, Array, Codec, Fixed, LayoutError, Option, Record, String, Variant, Vec
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import Idl, Layout
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.layouts.pump_fees import PUMP_FEES_IDL

IDLS = {"pump": PUMP, "pump_amm": PUMP_AMM, "pump_fees": PUMP_FEES_IDL, "dynamic_bonding_curve": DBC}
LAYOUTS = [
    pytest.param(layout, id=f"{name}-{layout.name}")
    for name, idl in IDLS.items()
    for table in (idl.events, idl.instructions)
    for layout in table.values()
]


def snake(name: str) -> str:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


class Declared:
    """An IDL as JSON, turned into codecs by its own short path."""

    def __init__(self, idl: dict[str, Any]) -> None:
        self.idl = idl
        self._types = {t["name"]: t["type"] for t in idl["types"]}

    def record(self, fields: list[Any]) -> Record:
        pairs = [
            (snake(f["name"]), f["type"]) if isinstance(f, dict) and "name" in f else (str(i), f)
            for i, f in enumerate(fields)
        ]
        return Record({name: self.codec(kind) for name, kind in pairs})

    def named(self, name: str) -> Codec:
        kind = self._types[name]
        if kind["kind"] == "enum":
            return Variant(tuple(v["name"] for v in kind["variants"]))
        return self.record(kind.get("fields", []))

    def codec(self, kind: Any) -> Codec:
        match kind:
            case "string":
                return String()
            case str():
                return PRIMITIVES[kind]
            case {"vec": item}:
                return Vec(self.codec(item))
            case {"option": item}:
                return Option(self.codec(item))
            case {"array": ["u8", size]}:
                return Fixed(f"{size}s")
            case {"array": [item, size]}:
                return Array(self.codec(item), size)
            case {"defined": {"name": name}} | {"defined": str(name)}:
                return self.named(name)
        raise TypeError(kind)


def shape(codec: Codec) -> Any:
    """A type with the names of its fields."""
    match codec:
        case Record():
            return [(name, shape(field)) for name, field in codec.fields.items()]
        case Fixed():
            return next((name for name, other in PRIMITIVES.items() if other is codec), codec.form)
        case Vec() | Option():
            return (type(codec).__name__, shape(codec.item))
        case Array():
            return (codec.size, shape(codec.item))
        case Variant():
            return codec.names
    return "string"


def flat(codec: Codec) -> list[Any]:
    """The parts of a type in order, without names; reserved space byte by byte."""
    match codec:
        case Record():
            return [
                part
                for name, field in codec.fields.items()
                for part in (["B"] * len(written(field)) if "padding" in name else flat(field))
            ]
        case Fixed():
            size = re.fullmatch(r"(\d+)s", codec.form)
            return ["B"] * int(size[1]) if size and codec.after is None else [codec.form]
        case Array():
            return flat(codec.item) * codec.size
        case Vec() | Option():
            return [(type(codec).__name__, tuple(flat(codec.item)))]
    return [type(codec).__name__]


def written(codec: Codec) -> bytes:
    out = bytearray()
    codec.write(blank(codec), out)
    return bytes(out)


def tables(declared: Declared) -> list[tuple[str, str, bytes, Record, tuple[str, ...]]]:
    """(kind, name, discriminator, record, account names) of all that an IDL declares."""
    idl = declared.idl
    found: list[tuple[str, str, bytes, Record, tuple[str, ...]]] = []
    for kind in ("events", "accounts"):
        for item in idl.get(kind, []):
            record = declared.named(item["name"])
            assert isinstance(record, Record)
            found.append((kind, item["name"], bytes(item["discriminator"]), record, ()))
    for item in idl["instructions"]:
        accounts = tuple(snake(account["name"]) for account in item["accounts"])
        record = declared.record(item["args"])
        found.append(("instructions", item["name"], bytes(item["discriminator"]), record, accounts))
    return found


@needs_recordings()
@pytest.mark.parametrize("name", IDLS)
def test_declarations_equal_the_current_idl(name: str) -> None:
    for kind, declared, discriminator, record, accounts in tables(Declared(load("idl", f"{name}.json"))):
        layout: Layout = getattr(IDLS[name], kind)[discriminator]
        assert layout.name == declared
        assert shape(layout.record) == shape(record), declared
        assert layout.accounts == accounts, declared


@needs_recordings()
@pytest.mark.parametrize("file", names("idl/history", "*.json.gz"))
def test_events_and_instructions_of_earlier_versions_are_a_prefix_of_todays(file: str) -> None:
    idl = IDLS[file.split(".")[0]]
    for kind, name, discriminator, record, _ in tables(Declared(load("idl", "history", file))):
        if kind == "accounts":
            continue  # DBC's account layouts moved fields; snapshots of them are read by today's.
        today = flat(getattr(idl, kind)[discriminator].record)
        before = flat(record)
        assert _without_split_bytes(today, before), f"{kind} {name}"


def _without_split_bytes(today: list[Any], before: list[Any]) -> bool:
    """Whether `before` is a prefix of `today` but for reserved bytes that became fields of the same size."""
    sizes = {"B": 1, "H": 2, "I": 4, "Q": 8, "q": 8, "16s": 16, "32s": 32}
    i = 0
    j = 0
    while i < len(before):
        if j < len(today) and before[i] == today[j]:
            i, j = i + 1, j + 1
        elif before[i] == "B" and j < len(today) and today[j] in sizes:
            size = sizes[today[j]]
            if before[i : i + size] != ["B"] * size:
                return False
            i, j = i + size, j + 1
        else:
            return False
    return True


def values(codec: Codec) -> st.SearchStrategy[Any]:
    """All values of a type."""
    match codec:
        case Record():
            return st.fixed_dictionaries({name: values(field) for name, field in codec.fields.items()})
        case String():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        case Vec():
            return st.lists(values(codec.item), max_size=3)
        case Option():
            return st.none() | values(codec.item)
        case Variant():
            return st.sampled_from(codec.names)
        case Array():
            return st.lists(values(codec.item), min_size=codec.size, max_size=codec.size)
    name = next((name for name, other in PRIMITIVES.items() if other is codec), None)
    if name is None:
        size = len(blank(codec))
        return st.binary(min_size=size, max_size=size)
    if name == "bool":
        return st.booleans()
    if name == "pubkey":
        return st.binary(min_size=32, max_size=32).map(base58.address)
    bits = int(name[1:])
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if name[0] == "i" else st.integers(0, (1 << bits) - 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_layout_encodes_it_decodes(layout: Layout) -> None:
    fields = blank(layout.record)

    read = layout.decode(layout.encode(fields))

    assert read == (fields, (), b"")


@given(values(PUMP.event("TradeEvent").record), st.binary(max_size=20))
def test_any_trade_event_survives_encoding_and_keeps_its_trail(fields: dict[str, Any], trail: bytes) -> None:
    layout = PUMP.event("TradeEvent")

    read = layout.decode(layout.encode(fields) + trail)

    assert read == (fields, (), trail)


@given(values(DBC.event("EvtCreateConfigV2").record))
def test_any_nested_record_survives_encoding(fields: dict[str, Any]) -> None:
    layout = DBC.event("EvtCreateConfigV2")

    assert layout.decode(layout.encode(fields)).fields == fields


@pytest.mark.parametrize("idl", IDLS.values(), ids=IDLS)
def test_an_event_that_ends_on_a_field_boundary_lacks_the_later_fields(idl: Idl) -> None:
    for layout in idl.events.values():
        fields = blank(layout.record)
        for name in layout.record.fields:
            kept = {n: v for n, v in fields.items() if list(fields).index(n) < list(fields).index(name)}
            read = layout.decode(layout.encode(kept))
            assert read.fields == kept
            assert read.missing == tuple(n for n in fields if n not in kept)


def test_an_event_that_ends_inside_a_field_is_refused() -> None:
    layout = PUMP.event("TradeEvent")
    payload = layout.encode(blank(layout.record))

    with pytest.raises(LayoutError, match="cut short in mint"):
        layout.decode(payload[:30])


def test_a_boolean_that_is_neither_is_refused() -> None:
    layout = PUMP.event("TradeEvent")
    payload = bytearray(layout.encode(blank(layout.record)))
    payload[8 + 32 + 8 + 8] = 2

    with pytest.raises(LayoutError, match="boolean"):
        layout.decode(bytes(payload))


@given(st.binary(max_size=450))
def test_base58_gives_back_what_it_was_given(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "l", "I", "+1", " 1", "1_1", "1 ", "-2", "é", "1\0"])
def test_a_character_outside_the_alphabet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58.decode(text)

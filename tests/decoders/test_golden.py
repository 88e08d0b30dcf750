"""Every recorded event, instruction and account equals its golden decoding, field by field."""

from base64 import b64decode
from typing import Any

import pytest
from recorded import load, names, needs_recordings

from indexer import base58
from indexer.accounts import read_account
from indexer.decoders.anchor import SELF_CPI, read_log_events, strip_frame
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import DISCRIMINATOR_BYTES
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.layouts.pump_fees import PUMP_FEES_IDL

IDLS = {idl.program: idl for idl in (PUMP, PUMP_AMM, PUMP_FEES_IDL, DBC)}
pytestmark = needs_recordings()


def golden(value: Any) -> Any:
    """A value as the golden files write it."""
    if isinstance(value, dict):
        return {name: golden(item) for name, item in value.items()}
    if isinstance(value, list):
        return [golden(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def decoded(program: str, payload: bytes) -> dict[str, Any]:
    layout = IDLS[program].events[payload[:DISCRIMINATOR_BYTES]]
    read = layout.decode(payload)
    return {
        "program_id": program,
        "event": layout.name,
        "payload_bytes": len(payload),
        "trailing_hex": read.trailing.hex(),
        "fields": golden(read.fields),
    }


def expected(event: dict[str, Any]) -> dict[str, Any]:
    kept = {name: event[name] for name in ("program_id", "event", "payload_bytes", "fields")}
    return {**kept, "trailing_hex": event["layout"]["trailing_hex"]}


def keys_of(transaction: dict[str, Any]) -> list[str]:
    keys = transaction["transaction"]["message"]["accountKeys"]
    if keys and isinstance(keys[0], dict):
        return [key["pubkey"] for key in keys]
    loaded = transaction["meta"].get("loadedAddresses") or {}
    return [*keys, *loaded.get("writable", []), *loaded.get("readonly", [])]


def instructions_of(transaction: dict[str, Any]) -> list[tuple[str, list[str], bytes]]:
    """(program, accounts, data) in execution order, read here once more, without the code under test."""
    keys = keys_of(transaction)
    inner = {group["index"]: group["instructions"] for group in transaction["meta"]["innerInstructions"]}
    found = []
    for index, outer in enumerate(transaction["transaction"]["message"]["instructions"]):
        for item in [outer, *inner.get(index, [])]:
            if "data" in item:
                program = item["programId"] if "programId" in item else keys[item["programIdIndex"]]
                accounts = [a if isinstance(a, str) else keys[a] for a in item["accounts"]]
                found.append((program, accounts, base58.decode(item["data"])))
    return found


@pytest.mark.parametrize("name", names("transactions"))
def test_every_event_of_a_transaction_equals_its_golden_decoding(name: str) -> None:
    transaction, oracle = load("transactions", name), load("golden", f"tx__{name}")

    calls = [(p, d[len(SELF_CPI) :]) for p, _, d in instructions_of(transaction) if d.startswith(SELF_CPI)]
    logged = read_log_events(transaction["meta"]["logMessages"] or ())

    ours = [decoded(program, payload) for program, payload in calls if program in IDLS]
    assert ours == [expected(e) for e in oracle["events"] if e["found"]["in"] == "self-cpi"]
    ours = [decoded(program, payload) for program, payload in logged if program in IDLS]
    assert ours == [expected(e) for e in oracle["events"] if e["found"]["in"] == "log"]


@pytest.mark.parametrize("name", names("transactions"))
def test_every_instruction_of_a_transaction_equals_its_golden_decoding(name: str) -> None:
    transaction, oracle = load("transactions", name), load("golden", f"tx__{name}")

    ours = [
        (IDLS[program].instructions[data[:DISCRIMINATOR_BYTES]], accounts, data)
        for program, accounts, data in instructions_of(transaction)
        if program in IDLS and data[:DISCRIMINATOR_BYTES] in IDLS[program].instructions
    ]

    assert [layout.name for layout, _, _ in ours] == [i["name"] for i in oracle["instructions"]]
    for (layout, accounts, data), instruction in zip(ours, oracle["instructions"], strict=True):
        assert layout.name_accounts(tuple(accounts)) == instruction["accounts"]
        assert accounts[len(layout.accounts) :] == instruction["extra_accounts"]
        if instruction["args"] is not None:  # Anchor refuses most arguments of older versions.
            read = layout.decode(data)
            made_up = set(read.missing)  # A key beyond the end of the data is all ones to it; to us it is not there.
            assert golden(read.fields) == {n: v for n, v in instruction["args"].items() if n not in made_up}


@pytest.mark.parametrize("name", names("logs"))
def test_every_event_of_a_logs_notification_equals_its_golden_decoding(name: str) -> None:
    logs = load("logs", name)["params"]["result"]["value"]["logs"]

    ours = [decoded(program, payload) for program, payload in read_log_events(logs) if program in IDLS]

    assert ours == [expected(e) for e in load("golden", f"logs__{name}")["events"]]


@pytest.mark.parametrize("name", names("events"))
def test_every_raw_event_equals_its_golden_decoding(name: str) -> None:
    events = load("events", name)["events"]

    ours = [decoded(e["program_id"], strip_frame(bytes.fromhex(e["data_hex"]))) for e in events]

    assert ours == [expected(e) for e in load("golden", f"events__{name}")["events"]]


@pytest.mark.parametrize("name", names("accounts"))
def test_every_account_equals_its_golden_decoding(name: str) -> None:
    snapshot, oracle = load("accounts", name), load("golden", f"account__{name}")

    account = read_account(snapshot["owner"], b64decode(snapshot["data"]))

    assert account.name == oracle["account"]
    assert golden(account.read.fields) == oracle["fields"]
    assert list(account.read.missing) == oracle["missing_fields"]
    assert len(account.read.trailing) == oracle["trailing_bytes"]

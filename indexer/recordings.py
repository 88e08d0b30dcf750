"""Recordings on disk: files and folders to pieces of JSON, and transactions back to NDJSON that reads the same.

A file is one JSON document or one document a line, plain, gzip or zstd, told by its content. It is read piece by piece:
memory holds one line (or one document), never the file.

Reading and writing stand together because each is the other's test; that makes it long.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import zstandard

from app.domain.events import Rate
from indexer import base58
from indexer.transaction import Instruction, Transaction

MAX_PIECE_BYTES: Final = 256 << 20
"""A block in jsonParsed takes up to 30 MB; what is ten times larger is not one piece."""
SIMULATED: Final = b'{"simulated":true}\n'
"""First line of a recorded simulation, so that it is told as one when it is replayed."""
_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson", ""})
_COMPRESSED: Final = frozenset({".gz", ".zst"})
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 4 << 10
"""Compressed bytes taken at once: few, because repetitive data grows a thousandfold."""
_SYSTEM_PROGRAM: Final = "11111111111111111111111111111111"
_BROKEN: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One JSON document of a file, or why there is none."""

    line: int
    """From 1; 0 where the file is one document."""
    data: bytes
    why: str | None = None
    """Why this piece (or, at line 0, the file) cannot be read."""


def list_files(path: Path) -> list[Path]:
    """The file itself, or all files under a folder in order of their names; hidden ones left out."""
    if path.is_file():
        return [path]
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    return [path / name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def read_pieces(path: Path, *, after_line: int = 0, advanced: Callable[[int], None] | None = None) -> Iterator[Piece]:
    """The pieces of one file from behind a line; `advanced` is told the position in the file as it lies on disk."""
    name = path.with_suffix("") if path.suffix in _COMPRESSED else path
    if name.suffix.lower() not in _SUFFIXES:
        yield Piece(0, b"", f"not a recording (a {name.suffix} file)")
        return
    try:
        with path.open("rb") as raw:
            for piece in _pieces(_decompressed(raw)):
                if piece.line > after_line or after_line == 0:
                    yield piece
                if advanced is not None:
                    advanced(raw.tell())
    except _BROKEN as error:
        yield Piece(0, b"", f"the file cannot be read further: {error or type(error).__name__}")


def _decompressed(raw: io.BufferedReader) -> io.BufferedIOBase:
    magic = raw.peek(len(_ZSTD_MAGIC))
    if magic.startswith(_GZIP_MAGIC):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(_ZSTD_MAGIC):
        return io.BufferedReader(_ZstdFile(raw))
    return raw


class _ZstdFile(io.RawIOBase):
    """Frames of zstd as one stream. EOFError where the last one is cut: zstandard's own reader just ends there."""

    def __init__(self, raw: io.BufferedIOBase) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self._fill():
            pass
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _fill(self) -> bool:
        """Decompresses one more chunk; False at the end."""
        chunk = self._frame.unused_data if self._frame.eof else b""
        chunk = chunk or self._raw.read(_CHUNK)
        if not chunk:
            if self._frame.eof:
                return False
            raise EOFError("the compressed stream is cut short")
        if self._frame.eof:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(self._frame.decompress(chunk))
        return True


def _pieces(stream: io.BufferedIOBase) -> Iterator[Piece]:
    """Tells lines from one document by the first two lines: a document a line begins anew on the second."""
    first, second = _read_line(stream), _read_line(stream)
    if second and not _is_json(first) and second[:1] != b"{":
        yield _whole(first + second, stream)
    elif not second:
        yield from _checked(0, first)
    else:
        yield from _checked(1, first)
        yield from _checked(2, second)
        yield from _lines(stream)


def _whole(start: bytes, stream: io.BufferedIOBase) -> Piece:
    data = start + stream.read(MAX_PIECE_BYTES + 1 - len(start))
    if len(data) > MAX_PIECE_BYTES:
        return Piece(0, b"", f"a document of more than {MAX_PIECE_BYTES >> 20} MiB")
    return Piece(0, data)


def _lines(stream: io.BufferedIOBase) -> Iterator[Piece]:
    number = 2
    while line := _read_line(stream):
        number += 1
        yield from _checked(number, line)


def _checked(number: int, line: bytes) -> Iterator[Piece]:
    if len(line) > MAX_PIECE_BYTES:
        yield Piece(number, b"", f"a line of more than {MAX_PIECE_BYTES >> 20} MiB")
    elif line.strip():
        yield Piece(number, line)


def _read_line(stream: io.BufferedIOBase) -> bytes:
    """One line; of a longer one than may be held, its beginning, and the rest is skipped."""
    line = stream.readline(MAX_PIECE_BYTES + 1)
    rest = line
    while len(rest) > MAX_PIECE_BYTES and not rest.endswith(b"\n"):
        rest = stream.readline(MAX_PIECE_BYTES + 1)
    return line


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except ValueError:
        return False
    return True


def is_simulated(path: Path) -> bool:
    """Whether a file is a recorded simulation: it begins with `SIMULATED`."""
    try:
        with path.open("rb") as raw:
            return _decompressed(raw).read(len(SIMULATED)) == SIMULATED
    except _BROKEN:
        return False


def write_recording(out: IO[bytes], transactions: Iterable[Transaction], rates: Iterable[Rate] = ()) -> None:
    """Appends to NDJSON: rates, and transactions in the form of getTransaction (logs alone as bare values).

    Reading it back gives the same transactions, but for what the reader leaves out of every transaction: instructions
    of programs without a decoder, and logs beside complete instructions.
    """
    for rate in rates:
        _write_line({"rate": rate}, out)
    for transaction in transactions:
        _write_line(_form(transaction), out)


def _write_line(form: dict[str, Any], out: IO[bytes]) -> None:
    out.write(msgspec.json.encode(form) + b"\n")


def _form(transaction: Transaction) -> dict[str, Any]:
    head = {
        "slot": transaction.slot,
        "blockTime": transaction.block_time,
        "commitment": transaction.commitment.name.lower(),
    }
    if transaction.events:
        events = [{"program_id": program, "data_hex": data.hex()} for program, data in transaction.events]
        return {**head, "signature": transaction.signature, "events": events}
    if transaction.is_partial and not transaction.accounts:
        err = "failed" if transaction.failed else None
        return {**head, "signature": transaction.signature, "err": err, "logs": transaction.logs}
    return {
        **head,
        "transactionIndex": transaction.transaction_index,
        "transaction": _signed(transaction),
        "meta": _meta(transaction),
    }


def _keys(transaction: Transaction) -> dict[str, int]:
    """Every address by its index: the transaction's own list, then what only its parts name."""
    named = [balance.account for balance in transaction.post_balances]
    for instruction in transaction.instructions:
        named += [instruction.program, *instruction.accounts]
    return {key: index for index, key in enumerate(dict.fromkeys([*transaction.accounts, *named]))}


def _signed(transaction: Transaction) -> dict[str, Any]:
    keys = _keys(transaction)
    outer: dict[int, Any] = {
        i.outer_index: _instruction(i, keys) for i in transaction.instructions if i.stack_height == 1
    }
    count = 1 + max((i.outer_index for i in transaction.instructions), default=-1)
    message = {
        "accountKeys": list(keys),
        "header": {"numRequiredSignatures": transaction.signers},
        "instructions": [outer.get(index, _ELSEWHERE) for index in range(count)],
    }
    return {"signatures": [transaction.signature], "message": message}


_ELSEWHERE: Final = {"programId": _SYSTEM_PROGRAM, "accounts": [], "data": ""}
"""Stands for an outer instruction that was left out because no decoder wants it."""


def _instruction(instruction: Instruction, keys: dict[str, int]) -> dict[str, Any]:
    return {
        "programIdIndex": keys[instruction.program],
        "accounts": [keys[account] for account in instruction.accounts],
        "data": base58.encode(instruction.data),
        "stackHeight": instruction.stack_height,
    }


def _meta(transaction: Transaction) -> dict[str, Any]:
    keys = _keys(transaction)
    return {
        "err": "failed" if transaction.failed else None,
        "fee": transaction.fee,
        "computeUnitsConsumed": transaction.compute_units,
        "innerInstructions": None if transaction.is_partial else _inner(transaction, keys),
        "logMessages": transaction.logs,
        "postTokenBalances": [
            {
                "accountIndex": keys[balance.account],
                "mint": balance.mint,
                "owner": balance.owner,
                "uiTokenAmount": {"amount": str(balance.amount), "decimals": balance.decimals},
            }
            for balance in transaction.post_balances
        ],
    }


def _inner(transaction: Transaction, keys: dict[str, int]) -> list[dict[str, Any]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for instruction in transaction.instructions:
        if instruction.stack_height != 1:
            groups.setdefault(instruction.outer_index, []).append(_instruction(instruction, keys))
    return [{"index": index, "instructions": instructions} for index, instructions in groups.items()]

"""Cursors: a place in a list or in the feed, sealed so that only what this store gave out is ever taken back."""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache

from app.errors import CursorInvalid

_DIGEST_BYTES = 8
_MAX_CHARACTERS = 2_048
_PLACE = struct.Struct(">qqq16s")
_RECORD = "record"
_REMEMBERED = 1_024
_PURPOSES = 64
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A stored record in both orders: `sequence` for streams, (block_time, position, identity) for pages."""

    sequence: int
    block_time: int
    position: int
    identity: bytes

    @property
    def chain_key(self) -> tuple[int, int, bytes]:
        """Sort key in chain order."""
        return self.block_time, self.position, self.identity


class Cursors:
    """Writes and reads cursors of one store.

    A cursor is base64url of its payload and 8 bytes of BLAKE2b over purpose and payload, keyed by the store's id. It is
    no secret: it tells a cursor of another store, list or order, or a mistyped one, from one of ours.
    """

    def __init__(self, store_id: str) -> None:
        self._key = hashlib.blake2b(store_id.encode()).digest()
        self._begun = lru_cache(maxsize=_PURPOSES)(self._begin)
        # What goes to many clients needs its cursor for each of their documents, and in each more than once.
        self.encode = lru_cache(maxsize=_REMEMBERED)(self._encode)
        """Cursor of a trade, launch or graduation: its sequence, block time, position and identity."""

    def _encode(self, sequence: int, block_time: int, position: int, identity: bytes) -> str:
        return self.seal(_RECORD, _PLACE.pack(sequence, block_time, position, identity))

    def decode(self, text: str) -> Cursor:
        """The record that `text` stands for. Raises CursorInvalid for anything that `encode` did not make."""
        payload = self.unseal(_RECORD, text)
        return Cursor(*_PLACE.unpack(payload))

    def seal(self, purpose: str, payload: bytes) -> str:
        """Opaque text of `payload`, good only for the same `purpose`."""
        text = binascii.b2a_base64(payload + self._digest(purpose, payload), newline=False)
        return text.translate(_URL_SAFE).rstrip(b"=").decode()

    def unseal(self, purpose: str, text: str) -> bytes:
        """The payload that was sealed for `purpose`; raises CursorInvalid for any other text."""
        sealed = _from_base64(text)
        payload, digest = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
        if not payload or not hmac.compare_digest(digest, self._digest(purpose, payload)):
            raise _invalid()
        return payload

    def _digest(self, purpose: str, payload: bytes) -> bytes:
        digest = self._begun(purpose).copy()
        digest.update(payload)
        return digest.digest()

    def _begin(self, purpose: str) -> "hashlib.blake2b":
        # The purpose's length goes first, so that no purpose and payload can be taken for another pair.
        name = purpose.encode()
        return hashlib.blake2b(len(name).to_bytes(4, "big") + name, key=self._key, digest_size=_DIGEST_BYTES)


def _from_base64(text: str) -> bytes:
    if len(text) > _MAX_CHARACTERS:
        raise _invalid()
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    # Base64 has spare bits: only the one spelling that we write is taken.
    if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != text:
        raise _invalid()
    return sealed


def _invalid() -> CursorInvalid:
    return CursorInvalid(
        "This is not a cursor of this list on this server. Pass one that the same field gave with the same order, "
        "or leave the cursor out to start afresh."
    )

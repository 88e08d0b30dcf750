"""Addresses of a simulated market: made from the seed, the same in every run, and those that are the programs' own."""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

import msgspec
from solders.pubkey import Pubkey

from app.domain.programs import WSOL

_BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TO_BASE58: Final = bytes(_BASE58[byte % len(_BASE58)] for byte in range(256))
_SIGNATURE_REST: Final = 87
"""Characters behind the first."""
_SIGNATURES_AT_ONCE: Final = 64
_TRADERS: Final = 512
"""Remembered for each mint: several times those that hold it at once."""


class Address(NamedTuple):
    """A public key in base58 and as its 32 bytes."""

    text: str
    raw: bytes


def of_text(text: str) -> Address:
    """The address that a base58 text names."""
    return Address(text, bytes(Pubkey.from_string(text)))


def of_raw(raw: bytes) -> Address:
    """The address of 32 bytes."""
    return Address(str(Pubkey.from_bytes(raw)), raw)


def derived(program: Address, *seeds: bytes) -> Address:
    """Program-derived address, as the programs derive their own accounts."""
    key, _ = Pubkey.find_program_address(list(seeds), Pubkey.from_bytes(program.raw))
    return of_raw(bytes(key))


def signatures(rng: Random) -> Iterator[str]:
    """Signatures in base58 without end, drawn as text: turning 64 bytes into base58 costs five times as much.

    88 characters that begin with one of `2` to `5` are always 64 bytes, since 5 * 58^87 < 2^512.
    """
    while True:
        first = "2345"[rng.getrandbits(2)]
        drawn = rng.randbytes(_SIGNATURES_AT_ONCE * _SIGNATURE_REST).translate(_TO_BASE58).decode("ascii")
        for at in range(0, len(drawn), _SIGNATURE_REST):
            yield first + drawn[at : at + _SIGNATURE_REST]


class Seeded:
    """Addresses that follow from a seed alone."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(16, "little", signed=True)
        self._quote = of_text(WSOL).raw
        self.wallet = lru_cache(maxsize=None)(self._wallet)
        self.quote_account = lru_cache(maxsize=None)(self._quote_account)

    def address(self, kind: bytes, number: int) -> Address:
        """The `number`-th address of a kind (at most 16 bytes of name)."""
        raw = blake2b(number.to_bytes(8, "little"), digest_size=32, key=self._key, person=kind).digest()
        return of_raw(raw)

    def token_account(self, owner: bytes, mint: bytes) -> Address:
        """Stands for the associated token account; a real derivation would cost 30 µs a pair."""
        return of_raw(blake2b(self._key + owner + mint, digest_size=32).digest())

    def _wallet(self, number: int) -> Address:
        return self.address(b"wallet", number)

    def _quote_account(self, number: int) -> Address:
        return self.token_account(self.wallet(number).raw, self._quote)


class Trader(msgspec.Struct, frozen=True, gc=False):
    """A wallet as one mint's trades name it."""

    wallet: str
    held: str
    """Its account of the mint."""
    paid: str
    """Its account of wrapped SOL."""
    raw: bytes
    """The three as bytes, one behind the other."""


class Traders(dict[int, Trader]):
    """Who trades one mint, by number of the wallet: made when first asked for, and forgotten when they are many."""

    def __init__(self, seeded: Seeded, mint: bytes) -> None:
        super().__init__()
        self._seeded = seeded
        self._mint = mint

    def __missing__(self, number: int) -> Trader:
        if len(self) >= _TRADERS:
            self.clear()
        wallet, paid = self._seeded.wallet(number), self._seeded.quote_account(number)
        held = self._seeded.token_account(wallet.raw, self._mint)
        trader = self[number] = Trader(wallet.text, held.text, paid.text, wallet.raw + held.raw + paid.raw)
        return trader

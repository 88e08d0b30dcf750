"""Addresses of a simulated market: made from the seed, the same in every run, and those that are the programs' own."""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from solders.pubkey import Pubkey
from solders.signature import Signature


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


class Seeded:
    """Addresses and signatures that follow from a seed alone."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(16, "little", signed=True)
        self.wallet = lru_cache(maxsize=None)(self._wallet)
        self.token_account = lru_cache(maxsize=200_000)(self._token_account)

    def address(self, kind: bytes, number: int) -> Address:
        """The `number`-th address of a kind (at most 16 bytes of name)."""
        raw = blake2b(number.to_bytes(8, "little"), digest_size=32, key=self._key, person=kind).digest()
        return of_raw(raw)

    def signature(self, number: int) -> str:
        """Signature of the `number`-th transaction, base58."""
        raw = blake2b(number.to_bytes(8, "little"), digest_size=64, key=self._key, person=b"signature").digest()
        return str(Signature.from_bytes(raw))

    def _wallet(self, number: int) -> Address:
        return self.address(b"wallet", number)

    def _token_account(self, owner: bytes, mint: bytes) -> Address:
        """Stands for the associated token account; a real derivation would cost 30 µs a pair."""
        return of_raw(blake2b(owner + mint, digest_size=32, key=self._key, person=b"token").digest())

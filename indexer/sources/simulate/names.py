"""Names of simulated tokens, as odd as the real ones: emoji, other scripts, quotes, repeated words."""

from random import Random
from typing import Final

_FIRST: Final = (
    *("Baby", "Giga", "Mega", "Turbo", "Based", "Moon", "Sleepy", "Angry", "Tiny", "Quantum", "Golden", "Cosmic"),
    *("Lazy", "Holy", "Neon", "Retro", "Pixel", "Vapor", "Degen", "Mini", "Super", "Dark", "Happy", "Frozen", "Feral"),
)
_SECOND: Final = (
    *("Cat", "Dog", "Frog", "Pepe", "Penguin", "Hamster", "Goat", "Owl", "Shark", "Banana", "Pickle", "Wizard"),
    *("Robot", "Toaster", "Llama", "Otter", "Dragon", "Duck", "Monkey", "Cactus", "Potato", "Ghost", "Whale", "Chad"),
)
_TWISTS: Final = (
    "{0} {1}",
    "{0}{1}",
    "{1} wif {0}",
    "{0} {1} 🚀",
    "The {0} {1}",
    "{1} 2.0",
    'just a "{1}"',
    "{0} & {1}",
    "小{1}",
    "{1} 🐸🔥",
    "كلب {1}",
)


def name_of(number: int, mint: str) -> tuple[str, str, str]:
    """Name, symbol and metadata URI of the `number`-th token; the host cannot exist (`.invalid`, RFC 2606)."""
    rng = Random(number * 7919)
    first, second = rng.choice(_FIRST), rng.choice(_SECOND)
    name = rng.choice(_TWISTS).format(first, second)
    symbol = (first[:2] + second[:4]).upper() if rng.random() < 0.5 else second.upper()
    return name, symbol, f"https://metadata.invalid/{mint}.json"

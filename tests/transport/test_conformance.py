"""RFC 6455 on our protocol class: what the Autobahn test suite asks in its sections 1 to 7, 9 and 10, asked here.

The suite itself needs Python 2. Its cases are told in its documentation; each of ours says which of them it stands for.
The server runs on the loop of the product and on asyncio's own.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from transport.echoing import Frame, RawClient, close, echo_app, raw_client, sent
from transport.serving import served

from app.settings import Settings

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
NORMAL, PROTOCOL_ERROR, INVALID, TOO_BIG = 1000, 1002, 1007, 1009
GREEK = "Hello-µ@ßöäüàá-UTF-8!!".encode()
SPOILT = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"


@pytest.fixture(
    scope="module",
    params=[("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})],
    ids=["uvloop", "asyncio"],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
async def host(anyio_backend: object) -> AsyncIterator[str]:
    async with served(echo_app(), Settings()) as host:
        yield host


@dataclass(frozen=True)
class Case:
    """What is sent, what comes back, and with which code the server closes: `NORMAL` after the client has."""

    pieces: Sequence[bytes]
    back: Sequence[Frame] = ()
    code: int = NORMAL
    is_closed: bool = field(default=False, kw_only=True)
    """Whether the pieces hold the client's own close."""


def _octets(*frames: bytes) -> list[bytes]:
    return [bytes((each,)) for each in b"".join(frames)]


def _chops(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _fragments(opcode: int, payload: bytes, size: int) -> list[bytes]:
    parts = _chops(payload, size) or [b""]
    return [sent(opcode if index == 0 else CONT, part, fin=index == len(parts) - 1) for index, part in enumerate(parts)]


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for name, opcode in (("1.1 text", TEXT), ("1.2 binary", BINARY)):
        for size in (0, 125, 126, 127, 128, 65_535, 65_536):
            payload = b"*" * size
            cases[f"{name} of {size} bytes"] = Case([sent(opcode, payload)], [Frame(opcode, payload)])
        chopped = _chops(sent(opcode, b"*" * 65_536), 997)
        cases[f"{name} in chops of 997"] = Case(chopped, [Frame(opcode, b"*" * 65_536)])

    pings = [sent(PING, b"%d" % each) for each in range(10)]
    pongs = [Frame(PONG, b"%d" % each) for each in range(10)]
    cases |= {
        "2.1 a ping": Case([sent(PING)], [Frame(PONG, b"")]),
        "2.2 a ping with text": Case([sent(PING, b"Hello, world!")], [Frame(PONG, b"Hello, world!")]),
        "2.3 a ping with bytes": Case([sent(PING, b"\x00\xff\xfe\xfd")], [Frame(PONG, b"\x00\xff\xfe\xfd")]),
        "2.4 a ping of 125 bytes": Case([sent(PING, b"\xfe" * 125)], [Frame(PONG, b"\xfe" * 125)]),
        "2.5 a ping of 126 bytes": Case([sent(PING, b"\xfe" * 126)], code=PROTOCOL_ERROR),
        "2.6 a ping in octets": Case(_octets(sent(PING, b"\xfe" * 125)), [Frame(PONG, b"\xfe" * 125)]),
        "2.7 a pong nobody asked for": Case([sent(PONG)]),
        "2.8 the same with a payload": Case([sent(PONG, b"unsolicited")]),
        "2.9 a pong, then a ping": Case([sent(PONG, b"x"), sent(PING, b"y")], [Frame(PONG, b"y")]),
        "2.10 ten pings": Case([b"".join(pings)], pongs),
        "2.11 ten pings in octets": Case(_octets(*pings), pongs),
    }
    good, bad, echo = sent(TEXT, b"Hello"), sent(TEXT, b"Hello", rsv=2), Frame(TEXT, b"Hello")
    cases |= {
        "3.1 a reserved bit": Case([sent(TEXT, b"Hello", rsv=1)], code=PROTOCOL_ERROR),
        "3.2 after a good text": Case([good, bad, sent(PING)], [echo], PROTOCOL_ERROR),
        "3.3 the same frame by frame": Case([good + bad + sent(PING)], [echo], PROTOCOL_ERROR),
        "3.4 the same in octets": Case(_octets(good, bad, sent(PING)), [echo], PROTOCOL_ERROR),
        "3.5 in binary": Case([sent(BINARY, b"\x00\xff", rsv=5)], code=PROTOCOL_ERROR),
        "3.6 in a ping": Case([sent(PING, b"x", rsv=6)], code=PROTOCOL_ERROR),
        "3.7 in a close": Case([sent(CLOSE, b"", rsv=7)], code=PROTOCOL_ERROR),
    }
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        cases[f"4 opcode {opcode}"] = Case([sent(opcode), sent(PING)], code=PROTOCOL_ERROR)
        after = [good, sent(opcode, b"x"), sent(PING)]
        cases[f"4 opcode {opcode} after a text"] = Case(_octets(*after), [echo], PROTOCOL_ERROR)

    one, two = sent(TEXT, b"frag", fin=False), sent(CONT, b"ment")
    whole, middle = Frame(TEXT, b"fragment"), sent(PING, b"p")
    lost, lost_open = sent(CONT, b"lost"), sent(CONT, b"lost", fin=False)
    five = _fragments(TEXT, b"fragment12345", 3)
    five[2:2], five[4:4] = [sent(PING, b"1")], [sent(PING, b"2")]
    five_back = [Frame(PONG, b"1"), Frame(PONG, b"2"), Frame(TEXT, b"fragment12345")]
    cases |= {
        "5.1 a ping in two": Case([sent(PING, b"x", fin=False), sent(CONT, b"y")], code=PROTOCOL_ERROR),
        "5.2 a pong in two": Case([sent(PONG, b"x", fin=False), sent(CONT, b"y")], code=PROTOCOL_ERROR),
        "5.3 a text in two": Case([one + two], [whole]),
        "5.4 a text in two writes": Case([one, two], [whole]),
        "5.5 a text in octets": Case(_octets(one, two), [whole]),
        "5.6 a ping between": Case([one + middle + two], [Frame(PONG, b"p"), whole]),
        "5.7 a ping between writes": Case([one, middle, two], [Frame(PONG, b"p"), whole]),
        "5.8 a ping between octets": Case(_octets(one, middle, two), [Frame(PONG, b"p"), whole]),
        "5.9 nothing to go on with": Case([lost + good], code=PROTOCOL_ERROR),
        "5.11 the same in octets": Case(_octets(lost, good), code=PROTOCOL_ERROR),
        "5.12 nothing to go on with, open": Case([lost_open + good], code=PROTOCOL_ERROR),
        "5.14 the same, open, in octets": Case(_octets(lost_open, good), code=PROTOCOL_ERROR),
        "5.15 after a whole message": Case([one, two, lost_open, good], [whole], PROTOCOL_ERROR),
        "5.16 open and then a text": Case([lost_open, sent(TEXT, b"x", fin=False), two], code=PROTOCOL_ERROR),
        "5.17 closed and then a text": Case([lost, sent(TEXT, b"x", fin=False), two], code=PROTOCOL_ERROR),
        "5.18 a text inside a text": Case([one, sent(TEXT, b"ment")], code=PROTOCOL_ERROR),
        "5.19 five fragments, two pings": Case(five, five_back),
        "5.20 the same in one write": Case([b"".join(five)], five_back),
        "5 an unmasked frame": Case([sent(TEXT, b"Hello", mask=None)], code=PROTOCOL_ERROR),
        "5 masked with zeros": Case([sent(TEXT, b"Hello", mask=bytes(4))], [echo]),
    }
    first, spoiling = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", b"\xf4\x90\x80\x80"
    open_frame = sent(TEXT, first + spoiling + b"edited")
    cases |= {
        "6.1.1 empty": Case([sent(TEXT)], [Frame(TEXT, b"")]),
        "6.1.2 three empty fragments": Case(
            [sent(TEXT, fin=False), sent(CONT, fin=False), sent(CONT)], [Frame(TEXT, b"")]
        ),
        "6.1.3 the middle is not": Case(
            [sent(TEXT, fin=False), sent(CONT, b"middle", fin=False), sent(CONT)], [Frame(TEXT, b"middle")]
        ),
        "6.2.1 other letters": Case([sent(TEXT, GREEK)], [Frame(TEXT, GREEK)]),
        "6.2.2 split between letters": Case(_fragments(TEXT, GREEK, 6), [Frame(TEXT, GREEK)]),
        "6.2.3 split inside letters": Case(_fragments(TEXT, GREEK, 1), [Frame(TEXT, GREEK)]),
        "6.3.1 not UTF-8": Case([sent(TEXT, SPOILT)], code=INVALID),
        "6.3.2 not UTF-8, fragmented": Case(_fragments(TEXT, SPOILT, 1), code=INVALID),
        # What follows the spoiling part is never sent: the server has to have closed before.
        "6.4.1 at the fragment that spoils it": Case(
            [sent(TEXT, first, fin=False), sent(CONT, spoiling, fin=False)], code=INVALID
        ),
        "6.4.2 at its first impossible byte": Case(
            [sent(TEXT, first + b"\xf4", fin=False), sent(CONT, b"\x90", fin=False)], code=INVALID
        ),
        "6.4.3 inside a frame": Case([open_frame[:18], open_frame[18:21]], code=INVALID),
        "6.4.4 inside a frame, in octets": Case(_octets(open_frame[:19]), code=INVALID),
    }
    cases |= {f"6.5 {text!r}": Case([sent(TEXT, text)], [Frame(TEXT, text)]) for text in _VALID}
    cases |= {f"6.5 {text!r}": Case([sent(TEXT, text)], code=INVALID) for text in _INVALID}

    cases |= {
        "7.1.1 a text and a close": Case([good, close()], [echo], is_closed=True),
        "7.1.2 two closes": Case([close(), close()], is_closed=True),
        "7.1.3 a ping after the close": Case([close() + sent(PING)], is_closed=True),
        "7.1.4 a text after the close": Case([close() + good], is_closed=True),
        "7.1.5 a close inside a message": Case([one + close() + two], is_closed=True),
        "7.1.6 a large message before": Case(
            [sent(TEXT, b"B" * 262_144), good, close(), sent(PING)], [Frame(TEXT, b"B" * 262_144), echo], is_closed=True
        ),
        "7.3.1 a close without a code": Case([close(None)], code=1005, is_closed=True),
        "7.3.2 half a code": Case([sent(CLOSE, b"a")], code=PROTOCOL_ERROR),
        "7.3.3 a code": Case([close(1000)], is_closed=True),
        "7.3.4 a code and a reason": Case([close(1000, b"Hello")], is_closed=True),
        "7.3.5 the longest reason": Case([close(1000, b"*" * 123)], is_closed=True),
        "7.3.6 a reason too long": Case([close(1000, b"*" * 124)], code=PROTOCOL_ERROR),
        "7.5.1 a reason that is not UTF-8": Case([close(1000, SPOILT)], code=INVALID),
    }
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        cases[f"7.7 code {code}"] = Case([close(code)], code=code, is_closed=True)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        cases[f"7.9 code {code}"] = Case([close(code)], code=PROTOCOL_ERROR)

    large = b"*" * (1024 * 1024)
    for name, opcode in (("9 text", TEXT), ("9 binary", BINARY)):
        back = [Frame(opcode, large)]
        cases[f"{name} of a megabyte"] = Case([sent(opcode, large)], back)
        cases[f"{name} in fragments of 256"] = Case([b"".join(_fragments(opcode, large, 256))], back)
        cases[f"{name} in fragments of 64 KiB"] = Case(_fragments(opcode, large, 65_536), back)
        cases[f"{name} in chops of 2048"] = Case(_chops(sent(opcode, large), 2_048), back)
    cases |= {
        "9.1.6 the limit": Case([sent(BINARY, large * 4)], [Frame(BINARY, large * 4)]),
        "9 above the limit": Case([sent(BINARY, large * 4 + b"*")[:14]], code=TOO_BIG),
        "9 above the limit together": Case(_fragments(BINARY, large * 4 + b"*", len(large) * 2), code=TOO_BIG),
        "9.7 a thousand messages": Case([sent(TEXT, b"*" * 64) * 1_000], [Frame(TEXT, b"*" * 64)] * 1_000),
        "10.1.1 fragments of 1300": Case(_fragments(TEXT, b"*" * 65_536, 1_300), [Frame(TEXT, b"*" * 65_536)]),
    }
    return cases


_CODE_POINTS = (
    0,
    0x7F,
    0x80,
    0x7FF,
    0x800,
    0xD7FF,
    0xE000,
    0xFFFD,
    0xFFFE,
    0xFFFF,
    0x10000,
    0x1FFFF,
    0x10FFFE,
    0x10FFFF,
)
_VALID = [chr(each).encode() for each in _CODE_POINTS]
_INVALID = [
    *(b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80\xbf"),  # continuations alone
    *(b"\xc2 ", b"\xe1 ", b"\xf1 ", b"\xfc "),  # starts alone
    *(b"\xc3", b"\xe0\xa0", b"\xf0\x90\x80", b"\xef\xbf", b"\xf7\xbf\xbf"),  # the end is missing
    *(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),  # never part of UTF-8
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"),  # too long
    *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"),  # surrogates
    *(b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf"),  # beyond the last code point
]
CASES = _cases()


async def _talk(client: RawClient, case: Case) -> Sequence[Frame]:
    await client.send(case.pieces)
    if case.code == NORMAL and not case.is_closed:
        await client.send([close()])
    return await client.frames()


@pytest.mark.parametrize("name", CASES)
async def test_a_case_of_the_websocket_protocol_ends_as_it_should(host: str, name: str) -> None:
    case = CASES[name]
    async with raw_client(host) as client:
        *back, last = await _talk(client, case)
    assert back == list(case.back)
    assert last.opcode == CLOSE
    assert last.payload[:2] == (b"" if case.code == 1005 else case.code.to_bytes(2))

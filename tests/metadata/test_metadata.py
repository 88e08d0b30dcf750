"""Documents behind tokens' URIs, from a real server that answers as strangers do."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metadata.stranger import CID, DOCUMENT, stranger

from app.domain.metadata import TokenMetadata
from indexer.metadata.document import read_document
from indexer.metadata.fetching import MAX_BYTES, Fetcher
from indexer.metadata.public import Refused, is_public


def only_this_machine(address: str) -> bool:
    """In place of the public internet, which tests do not have."""
    return address == "127.0.0.1"


@pytest.mark.parametrize("path", ["good", "moved"])
async def test_a_document_is_fetched_and_read(path: str) -> None:
    async with stranger() as url, Fetcher([], judge=only_this_machine) as fetcher:
        found = read_document(await fetcher.fetch(f"{url}/{path}"))
    assert found == TokenMetadata(
        image="https://ipfs.io/ipfs/QmImage",
        description="Slow and steady.",
        website="https://turtle.example",
        twitter="https://x.com/turtle",
        telegram="https://t.me/turtle_chat",
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("page", "content of type text/html"),
        ("image", "content of type image/png"),
        ("bomb", "compressed"),
        ("endless", f"longer than {MAX_BYTES} bytes"),
        ("slow", "no document within"),
        ("around", "too many redirects"),
        ("inside", "not public"),
        ("file", "not an address"),
        ("nothing", "HTTP 404"),
    ],
)
async def test_what_strangers_send_is_refused_and_told(path: str, why: str) -> None:
    async with stranger() as url, Fetcher([], judge=only_this_machine, seconds=1) as fetcher:
        with pytest.raises(Refused, match=why):
            await fetcher.fetch(f"{url}/{path}")


@pytest.mark.parametrize("uri", ["ipfs://" + CID, f"https://nowhere.invalid/ipfs/{CID}"])
async def test_ipfs_is_read_through_the_operators_own_gateway_wherever_it_stands(uri: str) -> None:
    async with stranger() as url, Fetcher(["http://127.0.0.1:9", url]) as fetcher:
        assert json.loads(await fetcher.fetch(uri)) == DOCUMENT


async def test_a_token_cannot_make_us_open_our_own_network() -> None:
    async with stranger() as url, Fetcher([url]) as fetcher:
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1"):
            with pytest.raises(Refused, match=r"not public|connection failed"):
                await fetcher.fetch(f"http://{host}:{port}/good")
        for uri in ("file:///etc/passwd", "gopher://x", f"http://user@127.0.0.1:{port}/good", "", "ar://x", "http://"):
            with pytest.raises(Refused):
                await fetcher.fetch(uri)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::a00:1", "2002:0a00:0001::", "fe80::1%eth0"),
    ],
)
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "//no.scheme", "https://", 7, None, "x y"])
def test_a_link_that_a_page_should_not_open_is_left_out(link: object) -> None:
    assert read_document(json.dumps({"image": link, "website": link}).encode()) == TokenMetadata()


def test_links_of_older_documents_are_found_under_extensions() -> None:
    body = json.dumps({"external_url": "https://a.example", "extensions": {"discord": "abc", "twitter": "@a_b"}})
    found = read_document(body.encode())
    assert (found.website, found.discord, found.twitter) == (
        "https://a.example",
        "https://discord.gg/abc",
        "https://x.com/a_b",
    )


@given(
    st.binary()
    | st.recursive(
        st.none() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["image", "twitter", "x", "extensions", "website", "description"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_document_breaks_the_reader(body: bytes) -> None:
    try:
        found = read_document(body)
    except Refused:
        return
    assert all("\0" not in each for each in (found.description or "", found.image or ""))

import pytest

from sac_tf.distributed.addresses import parse_addresses
from sac_tf.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("localhost:8000", ["localhost:8000"]),
        ("a.example:1, b.example:65535", ["a.example:1", "b.example:65535"]),
        ("[::1]:8000,10.0.0.1:8000", ["[::1]:8000", "10.0.0.1:8000"]),
    ],
)
def test_addresses(text, addresses):
    assert parse_addresses(text) == addresses


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ":8000",
        "a:",
        "a:0",
        "a:65536",
        "a:-1",
        "a:+1",
        "a:1x",
        "a:²",
        "a..b:1",
        "a b:1",
        "http://a:1",
        "::1:80",
        "a:1,",
        "a:1,,b:2",
        "a:1;b:2",
    ],
)
def test_invalid_address_raises(text):
    words = "--replay_address=.* must be HOST:PORT, or several separated by commas; .* is invalid"
    with pytest.raises(ConfigurationError, match=words):
        parse_addresses(text)


def test_repeated_address_raises():
    with pytest.raises(ConfigurationError, match="names a server twice"):
        parse_addresses("a:1,b:2,a:1")

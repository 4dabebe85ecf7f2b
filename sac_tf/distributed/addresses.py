"""Addresses of replay servers. Imports nothing heavy, so that a wrong one is refused at once."""

import re

from sac_tf.errors import ConfigurationError

_ADDRESS = re.compile(r"(\[[^]\s]+\]|[^][:/.\s]{1,63}(\.[^][:/.\s]{1,63})*):(?P<port>[0-9]{1,5})")
"""A name, an IPv4 address or an IPv6 address in brackets, and a port."""


def parse_addresses(text: str) -> list[str]:
    """Returns the addresses in "HOST:PORT,HOST:PORT"; raises ConfigurationError if it is none."""
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        parts = _ADDRESS.fullmatch(address)
        if parts is None or not 0 < int(parts["port"]) < 65_536:
            raise ConfigurationError(
                f"--replay_address={text} must be HOST:PORT, or several with commas between; "
                f"{address!r} is not."
            )
    if len(set(addresses)) < len(addresses):
        raise ConfigurationError(f"--replay_address={text} names a server twice.")
    return addresses

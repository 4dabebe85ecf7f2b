"""Addresses of replay servers. Imports nothing heavy, so that an invalid one is refused
immediately."""

import re

from sac_tf.errors import ConfigurationError

_ADDRESS = re.compile(r"(\[[^]\s]+\]|[^][:/.\s]{1,63}(\.[^][:/.\s]{1,63})*):(?P<port>[0-9]{1,5})")
"""A host name, an IPv4 address or an IPv6 address in brackets, and a port."""
_LAST_PORT = 65_535


def parse_addresses(text: str) -> list[str]:
    """Returns the addresses in "HOST:PORT,HOST:PORT".

    Raises:
      ConfigurationError: one of them is invalid, or given twice.
    """
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) <= _LAST_PORT:
            raise ConfigurationError(
                f"--replay_address={text} must be HOST:PORT, or several separated by commas; "
                f"{address!r} is invalid."
            )
    if len(set(addresses)) < len(addresses):
        raise ConfigurationError(f"--replay_address={text} names a server twice.")
    return addresses

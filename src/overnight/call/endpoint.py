"""Where calls go: the endpoint's address, and whether it is on this machine."""

import ipaddress
import socket
from urllib.parse import urlsplit, urlunsplit

from overnight.errors import UsageError

_PATH = "/chat/completions"

# Not `is_private` of the standard library: that also holds for ranges that are routed elsewhere.
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def endpoint(api_url: str) -> str:
    """The address that calls are sent to, from the endpoint itself or its base."""
    parts = urlsplit(api_url)
    path = parts.path.rstrip("/")
    if not path:
        path = "/v1"
    if not path.endswith(_PATH) and not path.endswith("/completions"):
        path += _PATH
    return urlunsplit(parts._replace(path=path, fragment=""))


def host_of(api_url: str) -> str:
    """The host in a URL, without port, user or password."""
    return urlsplit(api_url).hostname or ""


def is_this_machine(api_url: str) -> bool:
    """Whether the endpoint is on the loopback interface."""
    host = host_of(api_url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(api_url: str) -> bool:
    """Whether every address of the endpoint's host is on this machine or a private network."""
    if is_this_machine(api_url):
        return True
    try:
        found = socket.getaddrinfo(host_of(api_url), None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    return all(any(address in network for network in _PRIVATE) for address in addresses)


def refuse_unless_private(api_url: str) -> None:
    """Enforce `privacy.local_only`; raises UsageError before anything is sent."""
    if not is_private(api_url):
        raise UsageError(
            f"privacy.local_only is true, and {host_of(api_url)} is neither on this machine nor "
            "on a private network: nothing was sent. Change model.api_url, or privacy.local_only"
        )

"""Keys and the addresses that they may go to.

A key belongs to its provider's own origin. It goes to another one only when a person named that address for this
provider, and never to an origin that is another provider's. An address is https, or http on this machine and on
private networks, where nobody between listens. Keys come from the environment or from a file that it names, never
from the command line; no message, repr or error holds one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from packmule.core.calls import Fault, Received
from packmule.errors import KeyMissing, UsageError

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_FILE_MAX = 16_384
SECRET_MIN = 16
MASK = "***"


class Key:
    """A secret. Shows itself as ***; only `reveal` gives the text, for a header."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(***)"

    def __reduce__(self) -> str:
        message = "a key is never pickled"
        raise TypeError(message)

    def reveal(self) -> str:
        """The text of the key."""
        return self._text

    @property
    def guessless(self) -> bool:
        """Long enough that no honest answer holds it by chance; `EMPTY` or `ollama` is a placeholder and no secret."""
        return len(self._text) >= SECRET_MIN

    def strike(self, data: bytes) -> bytes:
        """The same bytes with this key struck out."""
        return data.replace(self._text.encode(), MASK.encode()) if self.guessless else data


def without_key(key: Key | None, got: Received | Fault) -> Received | Fault:
    """What a server sent, with our own key struck out, which some proxies put into their errors."""
    if key is None or not key.guessless:
        return got
    text = key.reveal()
    if isinstance(got, Received):
        if text.encode() not in got.body and text not in "\n".join(got.headers.values()):
            return got
        headers = {name: value.replace(text, MASK) for name, value in got.headers.items()}
        return Received(got.status, headers, key.strike(got.body))
    return msgspec.structs.replace(got, message=got.message.replace(text, MASK), body=key.strike(got.body))


def find_key(names: tuple[str, ...], env: Mapping[str, str]) -> Key | None:
    """The first key found under these names or in the file that NAME_FILE points to. Raises KeyMissing."""
    for name in names:
        if env.get(name, "").strip():
            return _checked(env[name], name)
        path = env.get(f"{name}_FILE", "").strip()
        if path:
            return _checked(_read(path, f"{name}_FILE"), f"the file of {name}_FILE")
    return None


def require_key(model: str, names: tuple[str, ...], key: Key | None) -> Key:
    """The key, or KeyMissing with the variable to set."""
    if key is None:
        message = f"{model} needs a key, and {' or '.join(names)} is not set"
        raise KeyMissing(message, hint=f"export {names[0]}=..., or try a sim/ model, which needs no key")
    return key


def checked_url(url: str, where: str) -> str:
    """A base URL that a key may be sent to, without a slash at its end. `where` names its source. Raises UsageError."""
    parts = _split(url, where)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        message = f"{where} holds a user name or password, which would be stored and shown"
        raise UsageError(message, hint="give the plain address, and the key in the provider's variable")
    if parts.query or parts.fragment:
        message = f"{where} has a ? or # part, which a base URL cannot have"
        raise UsageError(message, hint="give it like https://host/v1")
    if _is_link_local(host):
        message = f"{where} points to {host}, a link-local address, where cloud machines keep their own secrets"
        raise UsageError(message, hint="give the server's own address")
    if parts.scheme != "https" and not _is_near(host):
        message = f"{where} is http://{host}, and a key or a prompt would travel readable"
        raise UsageError(message, hint="use https; plain http is for this machine and private networks only")
    return url.strip().rstrip("/")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a key is bound to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def is_near(url: str) -> bool:
    """Does it lead to this machine or a private network, so that whoever wrote it down cannot be listening there?"""
    try:
        return _is_near(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _split(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(char <= " " or char == "\x7f" for char in url.strip()):
        message = f"{where} is not an address"
        raise UsageError(message, hint="give it like https://host/v1 or http://localhost:8000/v1")
    return parts


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def _is_link_local(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_link_local


def _is_near(host: str) -> bool:
    """Is it this machine, a private address, or a name that public DNS does not serve (a container's, say)?"""
    address = _address(host)
    if address is not None:
        return address.is_loopback or (address.is_private and not address.is_unspecified)
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def _read(path: str, name: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_FILE_MAX)
    except (OSError, UnicodeDecodeError, ValueError):
        message = f"{name} names the file {path}, which cannot be read"
        raise KeyMissing(
            message, hint=f"check the path and its permissions, or set {name.removesuffix('_FILE')}"
        ) from None


def _checked(text: str, where: str) -> Key:
    """A key goes into a header: a line break or a letter beyond ASCII in it is a slip of copying."""
    key = text.strip()
    if not key or not key.isascii() or any(not "!" <= char <= "~" for char in key):
        message = f"the key in {where} is empty, or holds a space, a line break or a letter that no key has"
        raise KeyMissing(message, hint="copy it again, on one line")
    return Key(key)

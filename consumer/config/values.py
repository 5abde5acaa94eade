"""Validate the texts of settings. A function returns the value, or raises ValueError with what is expected."""

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final

_TOPIC_LENGTH: Final = 249
_GROUP_BYTES: Final = 32_000  # Kafka's strings end at 32,767 bytes, and a transactional id adds host and slot
_PORT: Final = 9092  # the Kafka client's default
_ADDRESSES: Final = "HOST:PORT[,HOST:PORT…]"
_URLS: Final = "http(s)://HOST[:PORT][/PATH], several with commas between them"
_NUMBER: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)
_PROXY: Final = re.compile(
    r"(?:https?|socks5h?)://(?:[^\s/@:]+(?::[^\s/@:]*)?@)?(?:\[[0-9a-fA-F:]+\]|[^\s/@:]+)(?::\d{1,5})?/?"
)
_LISTENERS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_PATTERN: Final = re.compile(r"\^(?:[(|$](?![*+?])|(?:[\w.-]|\\\.|\[\^?[\w.-]+\]|\))[*+?]?)*", re.ASCII)
"""What POSIX expressions, which librdkafka takes, and Python's read alike."""
_NOT_IN_HOSTS: Final = frozenset("/@[]:;\\")


def fault_of_text(text: str) -> str | None:
    """Return what is expected when C or a file in UTF-8 cannot hold the text, else None."""
    if "\0" in text:
        return "a text without NUL"
    if any(unicodedata.category(character) == "Cs" for character in text):  # bytes that Python could not decode
        return "text in UTF-8: is the locale's encoding another (LANG)?"
    return None


def fault_of_number(text: str) -> str | None:
    """Return what is expected when the text is not a number from 0, else None."""
    return None if _NUMBER.fullmatch(text) else "a number from 0"


def fault_of_token(text: str) -> str | None:
    """Return what is expected when the text cannot be sent in a header, else None."""
    return None if text.isascii() and text.isprintable() and " " not in text else "a token without blanks, in ASCII"


def fault_of_proxy(text: str) -> str | None:
    """Return what is expected when the text is not the URL of a proxy, else None.

    The client's own messages quote such a text, and it may hold a password.
    """
    return (
        None if _PROXY.fullmatch(text) else "http://[USER:PASSWORD@]HOST:PORT, with %40 for @ and %2F for / in a login"
    )


def fault_of_login(text: str) -> str | None:
    """Return what is expected when the text is not a user and a password, else None."""
    return None if ":" in text else "USER:PASSWORD"


def topic(name: str) -> str:
    """Accept the name of a topic by Kafka's own rule."""
    if not 0 < len(name) <= _TOPIC_LENGTH or not name.isascii() or name in {".", ".."}:
        raise ValueError(f"the name of a topic: 1 to {_TOPIC_LENGTH} letters, digits, '.', '_' and '-'")
    if not all(character.isalnum() or character in "._-" for character in name):
        raise ValueError("the name of a topic: letters, digits, '.', '_' and '-'")
    return name


def topics(text: str) -> str:
    """Accept topics and patterns of topics, separated by commas; return them without blanks and repetitions.

    A pattern begins with ^ and is to match the beginning of a name.
    """
    names = list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise ValueError("the name of a topic, or several with commas between them")
    return ",".join(_pattern(name) if name.startswith("^") else topic(name) for name in names)


def _pattern(text: str) -> str:
    expected = "a pattern of topics, as ^sessions-.*: ^, then letters, digits and . _ - * + ? | ( ) [ ] $"
    if not _PATTERN.fullmatch(text):
        raise ValueError(expected)
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{expected} ({error.msg})") from None
    if any(text.count("(", 0, bar.start()) == text.count(")", 0, bar.start()) for bar in re.finditer(r"\|", text)):
        raise ValueError(f"{expected} (alternatives in parentheses, as ^(a|b): ^a|b has b anywhere in a name)")
    return text


def group_id(name: str) -> str:
    """Accept a group id that the Kafka client sends unchanged.

    The client drops blanks before a value: it aborts the process for a blank id, and takes " a" for the group "a" while
    our lock differs. It ignores the text after NUL.
    """
    if not name.strip():
        raise ValueError("a group id that is not blank")
    if _has_control(name):
        raise ValueError("a group id without control characters, such as a line feed at its end")
    if name != name.strip():
        raise ValueError("a group id without blanks at its ends")
    if len(name.encode()) > _GROUP_BYTES:
        raise ValueError(f"a group id of at most {_GROUP_BYTES:,} bytes")
    return name


def host(name: str) -> str:
    """Accept an address to listen on."""
    if not name.strip() or name != name.strip() or _has_control(name):
        raise ValueError("a host name or an IP address, without blanks")
    return name


def sha256(digest: str) -> str:
    """Accept a digest in hex; return it in lower case."""
    if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        raise ValueError("a SHA-256 in 64 hex digits")
    return digest.lower()


def bootstrap_servers(text: str) -> str:
    """Accept a list of addresses; return it without blanks and empty entries, with all ports.

    The Kafka client reads a wrong address as another one (port 99999 as 34463, "::1:9092" as ::0.1.144.146) or drops it
    ("http://host:9092"), then finds no broker and does not say why.
    """
    return ",".join(map(_with_port, _items(text, _ADDRESSES, "address", _address_fault)))


def schema_registry_url(text: str) -> str:
    """Accept URLs of a Schema Registry, separated by commas; return them without blanks and empty entries.

    mock://NAME, of a registry in this process, is one of them.
    """
    return ",".join(_items(text, _URLS, "URL", _url_fault))


def _items(text: str, expected: str, noun: str, fault_of: Callable[[str], str | None]) -> list[str]:
    """Split a list at its commas, without blanks and empty items. Raises ValueError that says which item is wrong."""
    items = [part.strip() for part in text.split(",")]
    numbered = [(number, item) for number, item in enumerate(items, 1) if item]
    if not numbered:
        raise ValueError(f"{expected}, at least one {noun}")
    for number, item in numbered:
        if fault := fault_of(item):
            subject = f"{noun} {number}" if len(numbered) > 1 else f"the {noun}"
            raise ValueError(f"{expected}; {subject} {fault}")
    return [item for _, item in numbered]


def _with_port(address: str) -> str:
    name, port = _split(address.rpartition("://")[2])
    return f"{name}:{_PORT if port is None else port}"


def _address_fault(address: str) -> str | None:
    """Describe what is wrong with an address, without quoting it: it may hold a password."""
    scheme, separator, rest = address.rpartition("://")
    if separator and scheme.lower() not in _LISTENERS:
        return "begins with a scheme, such as http://: Kafka's protocol has none, leave it out"
    if separator and scheme.lower() != "plaintext":
        return "names a security protocol: leave it out, and give -X security.protocol"
    if any(character.isspace() for character in rest) or _has_control(rest):
        return "has blanks: separate addresses by commas"
    name, port = _split(rest)
    return _host_fault(name, rest) or _port_fault(port)


def _url_fault(url: str) -> str | None:
    """Describe what is wrong with a URL, without quoting it: it may hold a password."""
    scheme, separator, rest = url.partition("://")
    address = rest.partition("/")[0]
    if "@" in url:
        return "has a login: leave it out, and set SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO_FILE or -R basic.auth.user.info"
    if not separator or scheme not in {"http", "https", "mock"}:
        return "does not begin with http:// or https://"
    if any(character.isspace() for character in url) or _has_control(url):
        return "has blanks: separate URLs by commas"
    if set(url) & {"?", "#"}:
        return "is more than a host, a port and a path"
    if scheme == "mock":
        return None
    name, port = _split(address)
    return _host_fault(name, address) or _port_fault(port)


def _host_fault(name: str, address: str) -> str | None:
    if name.startswith("["):
        return _bracket_fault(name)
    if address.count(":") > 1:
        return f"is an IPv6 address without brackets: write [ADDRESS]:PORT, as in [::1]:{_PORT}"
    if set(name) & _NOT_IN_HOSTS:
        return "is more than a host and a port"
    return None if name else "has no host"


def _split(address: str) -> tuple[str, str | None]:
    """Split host and port; the port is None without a colon after the host."""
    if address.startswith("["):
        name, _, rest = address.partition("]")
        return f"{name}]" if "]" in address else name, rest.removeprefix(":") if rest else None
    name, colon, port = address.partition(":")
    return name, port if colon else None


def _bracket_fault(name: str) -> str | None:
    try:
        IPv6Address(name[1:-1] if name.endswith("]") else "")
    except ValueError:
        return f"has no IPv6 address in its brackets: write [ADDRESS]:PORT, as in [::1]:{_PORT}"
    return None


def _port_fault(port: str | None) -> str | None:
    if port is None:
        return None  # 9092
    if not port:
        return "ends with a colon: give the port behind it"
    if not port.isascii() or not port.isdecimal() or not 1 <= int(port[:6]) <= 65535:
        return "has no port from 1 to 65535"
    return None


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)

"""`session-scorer` whose login `gcp` gets its tokens from the tests' endpoint.

python signing.py URL AUTHORITY NAME SECRET run --login gcp …
"""

import base64
import json
import ssl
import sys
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from consumer.cli.main import main
from consumer.logins import google
from consumer.logins.tokens import Token


def command(url: str, authority: Path, name: str, secret: str) -> tuple[str, ...]:
    """What starts it, for `Line.running(command=...)`."""
    return (sys.executable, str(Path(__file__)), url, str(authority), name, secret)


def _sign(url: str, authority: str, name: str, secret: str) -> Token:
    credentials = base64.b64encode(f"{name}:{secret}".encode()).decode()
    request = Request(url, b"grant_type=client_credentials", {"Authorization": f"Basic {credentials}"})
    with urlopen(request, context=ssl.create_default_context(cafile=authority)) as answer:
        text = json.load(answer)["access_token"]
    claims = text.split(".")[1]
    return Token(text, json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])


if __name__ == "__main__":
    google.sign = partial(_sign, *sys.argv[1:5])
    del sys.argv[1:5]
    main()

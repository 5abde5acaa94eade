"""Where a client of Kafka gets its token, as an identity provider gives them out (OAuth 2, client credentials)."""

import base64
import json
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.kafka.brokers import HOST

SECRET: Final = "planted-oauth-secret"
LIFE_SECONDS: Final = 8


class TokenEndpoint:
    """Answers over TLS at `url` while it is open; `keys` is where brokers find what the tokens are signed with."""

    def __init__(self, store: Path, directory: Path) -> None:
        self.issuer = "https://tokens.example"
        self.audience = "kafka"
        self.given = 0
        self.life_seconds = LIFE_SECONDS
        self.refusing = False
        self.answering = threading.Event()  # cleared, it keeps everybody waiting
        self.answering.set()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        keys = directory / "keys.json"
        keys.write_text(json.dumps({"keys": [self._public()]}))
        self.keys = keys.as_uri()
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(store)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{HOST}:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, name="tokens", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, subject: str) -> str:
        """A signed token."""
        self.given += 1
        now = int(time.time())
        claims = {"sub": subject, "iss": self.issuer, "aud": self.audience, "iat": now, "exp": now + self.life_seconds}
        signed = f"{_encoded({'alg': 'RS256', 'kid': 'one', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def _public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        modulus, exponent = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": _base64(modulus), "e": _base64(exponent)}


def _handler(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            assert urllib.parse.parse_qs(asked.decode())["grant_type"] == ["client_credentials"]
            name, _, secret = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).partition(b":")
            endpoint.answering.wait()
            if endpoint.refusing or secret.decode() != SECRET:
                self._say(401, {"error": "invalid_client", "error_description": "no such client, or another secret"})
                return
            token = endpoint.token(name.decode())
            self._say(200, {"access_token": token, "token_type": "Bearer", "expires_in": endpoint.life_seconds})

        def _say(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

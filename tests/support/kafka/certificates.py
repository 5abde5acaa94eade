"""Certificates of the tests' own authority, as files: for brokers as Java reads PEM, for clients as OpenSSL does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOUR = timedelta(hours=1)


class Authority:
    """One CA; what it makes lies in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.certificate))

    def store(self, host: str, *, expired: bool = False) -> Path:
        """A server's key and certificate in one file, as `ssl.keystore.type=PEM` wants it; for this host alone."""
        path = self._directory / f"{host}{'-expired' if expired else ''}.store.pem"
        issued = self._ca.issue_cert(host, not_after=datetime.now(UTC) - HOUR if expired else None)
        path.write_bytes(_key(issued) + b"".join(each.bytes() for each in issued.cert_chain_pems))
        return path

    def identity(self, name: str, *, password: str = "", expired: bool = False) -> tuple[Path, Path]:
        """A client's certificate, whose common name is `name`, and its key, under the password if there is one."""
        stem = f"{name}{'-expired' if expired else ''}"
        certificate, key = self._directory / f"{stem}.crt", self._directory / f"{stem}.key"
        not_after = datetime.now(UTC) - HOUR if expired else None
        issued = self._ca.issue_cert(f"{name}.example", common_name=name, not_after=not_after)
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key.write_bytes(_key(issued, password))
        return certificate, key


def _key(issued: trustme.LeafCert, password: str = "") -> bytes:
    """In PKCS #8, the one form that Java reads."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

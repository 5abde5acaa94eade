"""Checks of this machine: versions, artifacts, files, port and slot. Needs no broker."""

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from consumer.check.finding import Finding, fail, ok, warn
from consumer.config import program_version, sources
from consumer.config.settings import DeliveryGuarantee, Settings
from consumer.console.scrape import ScrapeError, scrape
from consumer.delivery.transactional_ids import take_slot, transactional_ids
from consumer.errors import WorkerError
from consumer.observability.http_server import on_first_free, require_free
from scoring import ArtifactError, Scorer
from scoring.adoption import find_doubts
from scoring.artifacts import ADOPT, Manifest, shipped

_SECONDS: Final = 3.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to connect to, not to listen on


def versions(librdkafka: str) -> Finding:
    """List the versions of the programs."""
    clients = f"session-scorer {program_version()} confluent-kafka {version('confluent-kafka')}"
    return ok("versions", f"{clients} librdkafka {librdkafka} Python {platform.python_version()}")


def secrets(cli_settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Warn of secrets on the command line."""
    if names := sources.secrets_on_command_line(cli_settings):
        exposed = f"{', '.join(names)} on the command line, where any user of this host can list it"
        remedy = ", ".join(sources.variables_for_secrets(cli_settings))
        yield warn("secrets", f"{exposed}: set {remedy} in the environment, to the path of a file that holds it")


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Warn of variables that look like settings and are not."""
    for description in sources.ignored_variables(environ):
        yield warn("environment", f"ignored: {description}")


def artifacts(settings: Settings) -> tuple[Scorer | None, Finding]:
    """Load the set as `run` does: verified, its golden vectors scored."""
    try:
        scorer = Scorer.load(
            settings.artifacts, allow_unverified=settings.allow_unverified, manifest_sha256=settings.manifest_sha256
        )
    except ArtifactError as error:
        return None, fail("artifacts", str(error))
    manifest, directory = scorer.artifacts.manifest, settings.artifacts or shipped()
    model = f"{directory}: model {scorer.artifacts.version}"
    if manifest is None:
        return scorer, warn("artifacts", f"{model}, unverified: nothing proves that these files are right")
    if doubtful := find_doubts(scorer.artifacts):
        return scorer, warn("artifacts", f"{model}: {'; '.join(doubtful)}: {_remedy(manifest)}")
    newest = f", trained on data up to {manifest.training.newest}" if manifest.training.newest else ""
    golden = f"{len(manifest.golden)} golden vectors score as they must"
    return scorer, ok("artifacts", f"{model}{newest}; hashes agree, {golden}")


def _remedy(manifest: Manifest) -> str:
    remedy = "train the set again, or correct its manifest"
    example = f" (take `golden` from the one that {ADOPT} writes in a copy without any)"
    return remedy if manifest.golden else remedy + example


def input_format(settings: Settings) -> Iterator[Finding]:
    """Warn of a Schema Registry that is set and not used."""
    if settings.input_format == "json" and (settings.schema_registry_url or settings.schema_registry):
        unused = "a Schema Registry is set, and plain JSON does not use it"
        yield warn("input format", f"{unused}: set --input-format if the events are encoded in another way")


def files(settings: Settings) -> Iterator[Finding]:
    """Check that the files named by properties of clients can be read: the clients do not say which one cannot."""
    properties = dict(settings.kafka)
    if settings.input_format != "json":
        properties |= {f"schema_registry.{name}": value for name, value in settings.schema_registry.items()}
    for name, path in properties.items():
        if not name.endswith((".location", ".file")) or path == "probe":  # the client then looks for authorities itself
            continue
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # a directory of authorities can be opened as well
        except OSError as error:
            yield fail(
                f"file {name}", f"{path} cannot be read: {error.strerror}: correct the path, or let this user read it"
            )


def metrics(settings: Settings) -> Finding:
    """Check that /metrics can be served on its host and port."""
    host, port = settings.metrics_host, settings.metrics_port

    def listen(candidate: int) -> int:
        require_free(host, candidate)
        return candidate

    try:
        free = on_first_free(settings.metrics_ports, listen)
    except WorkerError as error:
        if port and _is_worker(host, port):
            return warn("metrics", f"{_second_worker(host, port)} needs another --metrics-port")
        return fail("metrics", str(error))
    if free != port:
        other = _second_worker(host, port) if _is_worker(host, port) else f"{host} port {port} is taken: run"
        return warn("metrics", f"{other} serves on port {free}, unless --metrics-port names another one")
    return ok("metrics", f"{host} port {port} is free" if port else f"{host}, a free port (--metrics-port 0)")


def _second_worker(host: str, port: int) -> str:
    return f"a session-scorer answers on {host} port {port} already: a second one beside it"


def _is_worker(host: str, port: int) -> bool:
    host = _ANYWHERE.get(host, host)
    url = f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"
    with suppress(ScrapeError):
        return bool(scrape(url, _SECONDS).model)
    return False


def slot(settings: Settings) -> Iterator[Finding]:
    """Check that the slot, the number in the transactional ids, is free on this host."""
    if settings.delivery is DeliveryGuarantee.AT_LEAST_ONCE:
        return
    host = socket.gethostname()
    try:
        with take_slot(settings.group_id, settings.slot) as free:
            first, second = transactional_ids(settings.group_id, host, free.number)
    except WorkerError as error:
        if settings.slot is not None:
            ids = " and ".join(transactional_ids(settings.group_id, host, settings.slot))
            yield fail("slot", f"{error}; two processes of one slot have the same transactional ids ({ids})")
        else:
            yield fail("slot", str(error))
    else:
        yield ok("slot", f"{free.number} is free on this host: transactional ids {first} and {second}")

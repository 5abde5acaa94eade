"""Checks of this machine: the programs, the artifacts, the port, the slot. Asks no broker."""

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from consumer.check.finding import Finding, fail, ok, warn
from consumer.config import kafka_properties, program_version, sources
from consumer.config.settings import Delivery, Settings
from consumer.console.scrape import ScrapeError, scrape
from consumer.delivery.transactional_ids import take_slot, transactional_ids
from consumer.errors import WorkerError
from consumer.observability.http_server import on_first_free, require_free
from scoring import ArtifactError, Scorer
from scoring.adoption import doubts
from scoring.artifacts.loading import ADOPT, shipped
from scoring.artifacts.manifest import Manifest

_SECONDS: Final = 3.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to ask at, not to listen on


def versions(librdkafka: str) -> Finding:
    """What runs here."""
    named = f"session-scorer {program_version()} confluent-kafka {version('confluent-kafka')}"
    return ok("versions", f"{named} librdkafka {librdkafka} Python {platform.python_version()}")


def secrets(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the command line says any, which whoever may list processes reads."""
    if seen := sources.secrets_on_command_line(given):
        where = f"{', '.join(seen)} on the command line, where any user of this host can list it"
        remedy = ", ".join(f"{kafka_properties.variable_name(name)}_FILE" for name in seen)
        yield warn("secrets", f"{where}: set {remedy} in the environment, to the path of a file that holds it")


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Name the variables that look like settings and are none."""
    for said in sources.ignored_variables(environ):
        yield warn("environment", f"ignored: {said}")


def artifacts(chosen: Settings) -> tuple[Scorer | None, Finding]:
    """The set, loaded as `run` loads it: verified, its golden vectors scored."""
    try:
        scorer = Scorer.load(
            chosen.artifacts, allow_unverified=chosen.allow_unverified, manifest_sha256=chosen.manifest_sha256
        )
    except ArtifactError as error:
        return None, fail("artifacts", str(error))
    manifest, where = scorer.artifacts.manifest, chosen.artifacts or shipped()
    what = f"{where}: model {scorer.artifacts.version}"
    if manifest is None:
        return scorer, warn("artifacts", f"{what}, unverified: nothing proves that these files are right")
    if doubtful := doubts(scorer.artifacts):
        return scorer, warn("artifacts", f"{what}: {'; '.join(doubtful)}: {_remedy(manifest)}")
    newest = f", trained on data up to {manifest.training.newest}" if manifest.training.newest else ""
    golden = f"{len(manifest.golden)} golden vectors score as they must"
    return scorer, ok("artifacts", f"{what}{newest}; hashes agree, {golden}")


def _remedy(manifest: Manifest) -> str:
    said = "train the set again, or correct its manifest"
    return said if manifest.golden else f"{said} (take `golden` from the one that {ADOPT} writes in a copy without any)"


def files(chosen: Settings) -> Iterator[Finding]:
    """Whether the files that the Kafka settings name can be read: the client does not say which one cannot."""
    for name, path in chosen.kafka.items():
        if not name.endswith((".location", ".file")) or path == "probe":  # that has the client look for authorities
            continue
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # a directory of authorities can be opened as well
        except OSError as error:
            yield fail(
                f"file {name}", f"{path} cannot be read: {error.strerror}: correct the path, or let this user read it"
            )


def metrics(chosen: Settings) -> Finding:
    """Whether /metrics can be served where it is to be."""
    host, port = chosen.metrics_host, chosen.metrics_port

    def listen(candidate: int) -> int:
        require_free(host, candidate)
        return candidate

    try:
        found = on_first_free(chosen.metrics_ports, listen)
    except WorkerError as error:
        if port and _is_ours(_ANYWHERE.get(host, host), port):
            return warn("metrics", f"{_beside(host, port)} needs another --metrics-port")
        return fail("metrics", str(error))
    if found != port:
        who = _beside(host, port) if _is_ours(_ANYWHERE.get(host, host), port) else f"{host} port {port} is taken: run"
        return warn("metrics", f"{who} serves on port {found}, unless --metrics-port names another one")
    return ok("metrics", f"{host} port {port} is free" if port else f"{host}, a free port (--metrics-port 0)")


def _beside(host: str, port: int) -> str:
    return f"a session-scorer answers on {host} port {port} already: a second one beside it"


def _is_ours(host: str, port: int) -> bool:
    url = f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"
    with suppress(ScrapeError):
        return bool(scrape(url, _SECONDS).model)
    return False


def slot(chosen: Settings) -> Iterator[Finding]:
    """The number that the transactional ids are made of: free on this host?"""
    if chosen.delivery is Delivery.AT_LEAST_ONCE:
        return
    host = socket.gethostname()
    try:
        with take_slot(chosen.group_id, chosen.slot) as taken:
            first, second = transactional_ids(chosen.group_id, host, taken.number)
    except WorkerError as error:
        if chosen.slot is not None:
            ids = " and ".join(transactional_ids(chosen.group_id, host, chosen.slot))
            yield fail("slot", f"{error}; two processes of one slot have the same transactional ids ({ids})")
        else:
            yield fail("slot", str(error))
    else:
        yield ok("slot", f"{taken.number} is free on this host: transactional ids {first} and {second}")

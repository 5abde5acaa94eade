"""The consumer among strangers: each way to log in, the least rights, mistakes told in a line, secrets that stay so."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from consumer.errors import WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.config import Connection
from tests.support.command_line import Call
from tests.support.end_to_end import Line, last_words, logged, metrics_url, stop
from tests.support.kafka.certificates import Authority
from tests.support.kafka.rights import rights
from tests.support.kafka.secured import PASSWORD, USER, Right, Secured, operation_named, options
from tests.support.kafka.tokens import LIFE_SECONDS, SECRET
from tests.support.kafka.topics import Topics

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]

COUNT = 500
KEY_PASSWORD = "planted-key-password"
SECRETS = (PASSWORD, KEY_PASSWORD, SECRET, "eyJ", "PRIVATE KEY")  # eyJ: how a token begins
BOUND_SECONDS = 60.0  # for a mistake to be told: Kafka has ten to answer; a busy host takes 30 to load the artifacts


@pytest.fixture
def line(secured: Secured) -> Iterator[Line]:
    """Topics and a group of its own."""
    with Topics(secured.master) as topics:
        yield Line.on(secured.master, topics)


# -- the least rights, as docs/security.md has them ------------------------------------------------------------------

AT_LEAST_ONCE = ("input", "results", "alerts", "dead letters", "group")
EXACTLY_ONCE = (*AT_LEAST_ONCE, "transactional ids")
REDRIVE = ("letters", "input again", "group of redrives", "transactional ids")


def rights_to_redrive(line: Line) -> dict[str, Right]:
    """Those that `dead-letters redrive` needs."""
    return {
        "letters": (ResourceType.TOPIC, line.dead_letters, AclOperation.READ),
        "input again": (ResourceType.TOPIC, line.sessions, AclOperation.WRITE),
        "group of redrives": (ResourceType.GROUP, f"{line.group}-redrive", AclOperation.READ),
        "transactional ids": (ResourceType.TRANSACTIONAL_ID, f"{line.group}-redrive", AclOperation.WRITE),
    }


def named(line: Line, right: str) -> tuple[str, ...]:
    """What the line that a user reads must say when it is missing."""
    _, name, operation = (rights(line) | rights_to_redrive(line))[right]
    if right.startswith("group"):
        return (f"this user lacks the right Read on group {name}",)
    if right == "transactional ids":
        return ("the right Write on the transactional ids that begin with the group's name", line.group)
    return (f"this user lacks the right {operation.name.capitalize()} on topic {name}",)


def at(secured: Secured, way: str) -> list[str]:
    """How the command line says where the broker is, and how to log in there."""
    properties = {"tls": secured.trusting, "mtls": lambda: secured.mtls(KEY_PASSWORD)}.get(way) or getattr(secured, way)
    return ["--bootstrap-servers", secured.addresses[way], *options(properties())]


def test_the_rights_that_the_docs_give_are_these() -> None:
    document = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    given = document.split("<!-- rights -->")[1].split("<!-- /rights -->")[0].replace("\\\n", "")
    names = "session-scorer", "sessions", "session-results", "session-alerts", "session-dead-letters"
    assert sorted(told(given)) == sorted(rights(Line("", *names)).values())


def test_the_right_that_the_docs_give_to_see_settings_is_for_the_output_topics() -> None:
    document = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    given = document.split("<!-- more rights -->")[1].split("<!-- /more rights -->")[0].replace("\\\n", "")
    outputs = "session-results", "session-alerts", "session-dead-letters"
    assert sorted(told(given)) == sorted((ResourceType.TOPIC, name, AclOperation.DESCRIBE_CONFIGS) for name in outputs)


def told(commands: str) -> Iterator[Right]:
    """The rights that these calls of kafka-acls.sh give."""
    for command in commands.strip().splitlines():
        operation = operation_named(command.split("--operation ")[1].split()[0])
        end = "*" if command.endswith("--resource-pattern-type prefixed") else ""
        for kind, name in re.findall(r"--(topic|group|transactional-id) (\S+)", command):
            yield ResourceType[kind.upper().replace("-", "_")], name + end, operation


@pytest.mark.parametrize("right", EXACTLY_ONCE)
def test_each_right_that_is_missing_is_named(secured: Secured, line: Line, right: str, tmp_path: Path) -> None:
    line.feed(COUNT)
    secured.allow([given for name, given in rights(line).items() if name != right])
    with line.running(tmp_path / "log", *at(secured, "scram")) as process:
        said = last_words(process, tmp_path / "log")
    assert [part for part in named(line, right) if part not in said] == [], said
    assert line.committed() == 0


def test_all_rights_that_are_missing_are_named_at_once_with_the_commands_that_give_them(
    secured: Secured, line: Line, call: Call, tmp_path: Path
) -> None:
    line.feed(COUNT)
    # not a group that there is not yet: of such a one the broker tells only whether it may be seen
    secured.allow([rights(line)["results"]])
    said = call("run", *line.options(), *at(secured, "scram"))
    words = said.err.splitlines()[-1]
    commands = words.partition("; give them: ")[2].replace(" && ", "\n")
    lacking = [right for name, right in rights(line).items() if name != "results"]
    assert said.status == 1
    assert sorted(told(commands)) == sorted(lacking), words
    assert all(f"--allow-principal User:{USER} " in command for command in commands.splitlines())
    checked = call("check", *line.options(), *at(secured, "scram"))
    (found,) = [text for text in checked.out.splitlines() if text.startswith("fail rights: ")]
    assert sorted(told(found.partition("; give them: ")[2].replace(" && ", "\n"))) == sorted(lacking), found
    secured.allow([*rights(line).values()])
    line.drain(tmp_path / "log", COUNT, *at(secured, "scram"))


def test_at_least_once_needs_one_right_less(secured: Secured, line: Line, tmp_path: Path) -> None:
    planted = line.feed(COUNT)
    secured.allow([rights(line)[name] for name in AT_LEAST_ONCE])
    line.drain(tmp_path / "log", COUNT, "--delivery", "at-least-once", *at(secured, "scram"))
    assert line.check(planted).faults() == {}


def test_to_create_topics_needs_the_right_to_create_them(secured: Secured, line: Line, call: Call) -> None:
    secured.allow([*rights(line).values()])
    missing = ("--results-topic", "not-there", "--create-topics")
    said = call("run", *line.options(), *at(secured, "scram"), *missing)
    assert said.status == 1
    lacks = "this user lacks the rights Create on topic not-there, Write on topic not-there; give them: kafka-acls.sh"
    assert lacks in said.err.splitlines()[-1]


def test_dead_letters_are_redriven_with_four_rights_and_each_that_is_missing_is_named(
    secured: Secured, line: Line, call: Call, tmp_path: Path
) -> None:
    line.feed(COUNT, bad_one_in=50)
    secured.allow([*rights(line).values()])
    line.drain(tmp_path / "log", COUNT, *at(secured, "scram"))
    redrive = ("dead-letters", "redrive", "--yes", *line.options(), *at(secured, "scram"))
    needed = rights_to_redrive(line)
    for right in REDRIVE:
        secured.allow([given for name, given in needed.items() if name != right])
        said = call(*redrive)
        assert said.status == 1
        words = said.err.splitlines()[-1]
        assert [part for part in named(line, right) if part not in words] == [], words
    secured.allow([*needed.values()])
    said = call(*redrive)
    assert said.status == 0, said.err
    assert "wrote 10 dead letters back" in said.out


# -- each way to log in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "warned_of"),
    [
        ("tls", []),
        ("mtls", ["ssl.key.password"]),
        ("scram", ["sasl.password"]),
        ("oidc", ["sasl.oauthbearer.client.secret"]),
    ],
)
def test_events_are_scored_exactly_once_by_each_way_and_no_secret_is_told(
    secured: Secured, line: Line, way: str, warned_of: list[str], tmp_path: Path
) -> None:
    """With the least rights, and all that this program and the Kafka client can log."""
    planted, log = line.feed(COUNT), tmp_path / "log"
    secured.allow([*rights(line).values()])
    told = []
    with line.running(log, *at(secured, way), "-X", "debug=all", "--log-level", "debug") as process:
        line.wait_for(lambda count: count == COUNT, process)
        pages = [metrics_url(log).replace("metrics", page) for page in ("metrics", "livez", "readyz")]
        told += [httpx.get(page).text for page in pages]
        assert stop(process) == 0
    told.append(log.read_text())
    assert "session_scorer_events_total" in told[0]
    assert "[thrd:" in told[-1]  # the client has its say
    on_the_command_line = [each for each in logged(log) if "secrets on the command line" in str(each["message"])]
    assert [name for each in on_the_command_line for name in each["properties"]] == warned_of
    assert [secret for secret in SECRETS if any(secret in text for text in told)] == []
    assert line.check(planted).faults() == {}


def test_a_secret_can_come_from_a_file(secured: Secured, line: Line, tmp_path: Path) -> None:
    planted, secret = line.feed(COUNT), tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secured.allow([*rights(line).values()])
    plain = {name: value for name, value in secured.scram().items() if name != "sasl.password"}
    where = ("--bootstrap-servers", secured.addresses["scram"])
    from_file = {"KAFKA_SASL_PASSWORD_FILE": str(secret)}
    line.drain(tmp_path / "log", COUNT, *where, *options(plain), env=from_file)
    assert line.check(planted).faults() == {}


def test_a_token_that_expires_while_no_events_come_is_renewed(secured: Secured, line: Line, tmp_path: Path) -> None:
    """By two workers, each its own way. A consumer is polled all the time, its producers are busy only now and then."""
    planted = line.feed(COUNT)
    secured.allow([*rights(line).values()])
    with (
        line.running(tmp_path / "makes its tokens", *at(secured, "oauth")) as one,
        line.running(tmp_path / "fetches its tokens", *at(secured, "oidc")) as other,
    ):
        line.wait_for(lambda count: count == COUNT, one, other)
        expired = time.monotonic() + LIFE_SECONDS * 1.5
        line.wait_for(lambda _: time.monotonic() > expired, one, other)
        planted |= line.feed(COUNT, seed=8)
        line.wait_for(lambda count: count == 2 * COUNT, one, other)
        assert (stop(one), stop(other)) == (0, 0)
    assert line.check(planted).faults() == {}


# -- mistakes --------------------------------------------------------------------------------------------------------

PROTOCOL = "give the -X security.protocol that these brokers have at this port"
OF_CLIENT = "the broker wants a certificate of this client, or does not take the one it has: check -X ssl.certificate"
TOKEN = "check the settings for the token (-X sasl.oauthbearer.… and https.ca.location)"
MISTAKES: dict[str, tuple[str, ...]] = {
    "another authority": (
        "unable to get local issuer certificate; name the file of its authority: -X ssl.ca.location",
    ),
    "an expired certificate": ("is not to be trusted: certificate has expired; have it renewed",),
    "a certificate of another host": ("certificate is not valid for '127.0.0.1'; name the brokers as",),
    "a host that is not there": ("Failed to resolve 'no-such-host.invalid:9092'", "the right --bootstrap-servers"),
    "no certificate of its own": (OF_CLIENT,),
    "an expired certificate of its own": (OF_CLIENT,),
    "a certificate of its own of another authority": (OF_CLIENT,),
    "a key without its certificate": ("give the certificate of that key as well: -X ssl.certificate.location",),
    "a key that its password does not open": ("ssl.key.location failed", "is its password"),
    "a file that is not there": ("ssl.ca.location failed", "can that file be read"),
    "no way to a token": ("there is no token to log in with; give -X sasl.oauthbearer.method=oidc",),
    "a wrong password": ("SASL authentication error", "check the user name and password"),
    "another mechanism": ("broker's supported mechanisms: OAUTHBEARER", "sasl.mechanism"),
    "no TLS where it is wanted": (PROTOCOL,),
    "TLS where it is not": (PROTOCOL,),
    "no login where one is wanted": (PROTOCOL,),
    "a wrong secret for tokens": ("invalid_client", TOKEN),
    "no answer for tokens": ("Could not connect to server", TOKEN),
    "another authority for tokens": ("unable to get local issuer certificate", TOKEN),
    "a token that is not signed": ('{"status":"invalid_token"}', "the token"),
}


def mistakes(secured: Secured, directory: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Where each leads to, and the settings that make it."""
    where, trusting, other = secured.addresses, secured.trusting(), Authority(directory)
    late, foreign = secured.authority.identity("late", expired=True), other.identity("scorer")

    def own(certificate: Path, key: Path) -> dict[str, str]:
        return trusting | {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}

    locked = secured.mtls(KEY_PASSWORD)
    nowhere = {"sasl.oauthbearer.token.endpoint.url": "https://127.0.0.1:1/token"}
    return {
        "another authority": (where["tls"], trusting | {"ssl.ca.location": str(other.certificate)}),
        "an expired certificate": (where["expired"], trusting),
        "a certificate of another host": (where["misnamed"], trusting),
        "a host that is not there": ("no-such-host.invalid:9092", trusting),
        "no certificate of its own": (where["mtls"], trusting),
        "an expired certificate of its own": (where["mtls"], own(*late)),
        "a certificate of its own of another authority": (where["mtls"], own(*foreign)),
        "a key without its certificate": (where["mtls"], _without(locked, "ssl.certificate.location")),
        "a key that its password does not open": (where["mtls"], locked | {"ssl.key.password": SECRET}),
        "a file that is not there": (where["tls"], trusting | {"ssl.ca.location": "/not/there"}),
        "no way to a token": (where["oidc"], _without(secured.oidc(), "sasl.oauthbearer.method")),
        "a wrong password": (where["scram"], secured.scram(SECRET)),
        "another mechanism": (where["oauth"], secured.scram()),
        "no TLS where it is wanted": (where["tls"], {}),
        "TLS where it is not": (secured.master, trusting),
        "no login where one is wanted": (where["scram"], trusting),
        "a wrong secret for tokens": (where["oidc"], secured.oidc(PASSWORD)),
        "no answer for tokens": (where["oidc"], secured.oidc() | nowhere),
        "another authority for tokens": (where["oidc"], secured.oidc() | {"https.ca.location": str(other.certificate)}),
        "a token that is not signed": (where["oidc"], secured.oauth()),
    }


def _without(properties: dict[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in properties.items() if each != name}


@pytest.fixture(scope="module")
def said(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each mistake, made all at once, since each waits for a broker as long as it may."""

    def ask(address: str, properties: dict[str, str]) -> str:
        try:
            Admin(Connection(address, properties), seconds=8).require_topics(read=["sessions"])
        except WorkerError as error:
            return str(error)
        return "nothing"

    made = mistakes(secured, tmp_path_factory.mktemp("other"))
    with ThreadPoolExecutor(len(made)) as pool:
        return dict(zip(made, pool.map(lambda each: ask(*each), made.values()), strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_that_says_what_to_do(said: dict[str, str], mistake: str) -> None:
    line = said[mistake]
    assert [part for part in MISTAKES[mistake] if part not in line] == [], line
    assert "\n" not in line
    assert [secret for secret in SECRETS if secret in line] == []


def test_a_wrong_password_ends_the_process_in_time_with_that_line_alone(
    secured: Secured, line: Line, tmp_path: Path
) -> None:
    log, began = tmp_path / "log", time.monotonic()
    where = ("--bootstrap-servers", secured.addresses["scram"])
    with line.running(log, *where, *options(secured.scram(SECRET))) as process:
        words = last_words(process, log)
    assert time.monotonic() - began < BOUND_SECONDS
    assert "SASL authentication error" in words
    assert SECRET not in log.read_text()

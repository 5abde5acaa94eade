"""An output topic that takes no records: nothing is lost, nothing is skipped, and one line says why.

Once the fault is mended a restart delivers everything, exactly once.
"""

from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.faults.asking import ask
from tests.faults.conftest import LineOn
from tests.faults.rights import AS_USER, rule
from tests.support.checker import Outputs, Seen, judge
from tests.support.end_to_end import Line, last_words
from tests.support.kafka.secured import options as client_options
from tests.support.wire import read

COUNT = 3000
OUTPUTS = ("results", "alerts", "dead_letters")
EACH_AND_PLAIN = [*((output, "exactly-once") for output in OUTPUTS), ("alerts", "at-least-once")]
NO_MORE = 10_000_000  # beyond any offset of a topic before it was made anew


def configure(line: Line, topic: str, how: AlterConfigOpType, **entries: str) -> None:
    changes = [ConfigEntry(name.replace("_", "."), value, incremental_operation=how) for name, value in entries.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    ask(line.bootstrap, lambda client: client.incremental_alter_configs([resource]))


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_dead_letters_that_fit_nowhere_stop_the_worker_which_says_so(line: Line, delivery: str, tmp_path: Path) -> None:
    topic = line.dead_letters
    configure(line, topic, AlterConfigOpType.SET, max_message_bytes="900")
    planted = line.feed(COUNT)
    log = tmp_path / "log"
    with line.running(log, "--delivery", delivery) as process:
        said = last_words(process, log)
    assert f"max.message.bytes of topic {topic} is 900, and a dead letter may need 16,384: raise it" in said
    assert line.committed() < COUNT
    configure(line, topic, AlterConfigOpType.DELETE, max_message_bytes="")
    line.drain(log, COUNT, "--delivery", delivery)
    faults = line.check(planted).faults()
    if delivery == "at-least-once":
        faults.pop("duplicate", None)  # of the batch that was refused in part
    assert faults == {}


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_topic_that_is_missing_at_the_start_is_named(line: Line, output: str, tmp_path: Path) -> None:
    topic = getattr(line, output)
    planted, log = line.feed(COUNT), tmp_path / "log"
    ask(line.bootstrap, lambda client: client.delete_topics([topic]))
    with line.running(log) as process:
        said = last_words(process, log)
    assert f"1 topic is missing: {topic}" in said
    assert line.committed() == 0
    line.drain(log, COUNT, "--create-topics")
    assert line.check(planted).faults() == {}


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_topic_deleted_while_running_stops_the_worker_which_names_it(
    line: Line, output: str, tmp_path: Path
) -> None:
    topic, log = getattr(line, output), tmp_path / "log"
    planted = line.feed(COUNT)
    with line.running(log) as process:
        line.wait_for(lambda count: count == COUNT, process)
        before = [Seen.of(message) for message in read(line.bootstrap, topic)]
        ask(line.bootstrap, lambda client: client.delete_topics([topic]))
        planted |= line.feed(COUNT, seed=8)
        said = last_words(process, log)
    assert topic in said
    assert "create the topic, or have run make it (--create-topics)" in said
    assert COUNT <= line.committed() < 2 * COUNT
    line.drain(log, 2 * COUNT, "--create-topics")
    found = {name: [Seen.of(each) for each in read(line.bootstrap, getattr(line, name))] for name in OUTPUTS}
    found[output] = before + [each._replace(offset=each.offset + NO_MORE) for each in found[output]]
    inputs = [Seen.of(message) for message in read(line.bootstrap, line.sessions)]
    assert judge(inputs, planted, Outputs(**found)).faults() == {}


# -- rights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("output", "delivery"), EACH_AND_PLAIN)
def test_an_output_topic_that_is_read_only_stops_the_worker_which_says_whose_right_is_missing(
    guarded: tuple[str, str], output: str, delivery: str, tmp_path: Path, line_on: LineOn
) -> None:
    line = line_on(guarded[0])
    topic, log = getattr(line, output), tmp_path / "log"
    denied = rule(topic, AclOperation.WRITE, AclPermissionType.DENY)
    rules = [rule(topic, AclOperation.ALL, AclPermissionType.ALLOW), denied]
    ask(line.bootstrap, lambda client: client.create_acls(rules))
    planted = line.feed(COUNT)
    options = ["--delivery", delivery, "--bootstrap-servers", guarded[1]]
    options += client_options(AS_USER)
    with line.running(log, *options) as process:
        said = last_words(process, log)
    assert f"this user lacks the right Write on topic {topic}" in said
    assert line.committed() < COUNT
    names = ("restype", "name", "resource_pattern_type", "principal", "host", "operation", "permission_type")
    lifted = AclBindingFilter(*(getattr(denied, name) for name in names))
    ask(line.bootstrap, lambda client: client.delete_acls([lifted]))
    line.drain(log, COUNT, *options)
    faults = line.check(planted).faults()
    if delivery == "at-least-once":
        faults.pop("duplicate", None)
    assert faults == {}

"""deploy/kubernetes beside Kafka: topics that a broker takes, rights that are enough and no more, as many workers as
there are partitions."""

from typing import Any

import pytest

from consumer.config.settings import PREFIX, Settings
from consumer.delivery.transactional_ids import transactional_ids
from consumer.kafka.properties import PRODUCER
from tests.deploy.manifests import objects, one, pod, those, variables
from tests.support.kafka.topics import Topics

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

DAY = 86_400_000
AHEAD = 10 * 60 * 1000  # how far ahead a record of ours may be dated, in ms
FIELDS = Settings.model_fields
INPUT = FIELDS["input_topic"].default
OUTPUTS = [FIELDS[name].default for name in ("results_topic", "alerts_topic", "dead_letters_topic")]
GROUP = FIELDS["group_id"].default


def topic(name: str) -> Any:
    (found,) = [each for each in those("strimzi", "KafkaTopic") if each["metadata"]["name"] == name]
    return found["spec"]


def config(name: str) -> dict[str, str]:
    return dict(topic(name)["config"])


def test_the_topics_are_those_the_consumer_uses_by_default() -> None:
    assert {each["metadata"]["name"] for each in those("strimzi", "KafkaTopic")} == {INPUT, *OUTPUTS}


@pytest.mark.parametrize("name", [INPUT, *OUTPUTS])
def test_a_broker_takes_the_settings_of_the_topic(name: str, topics: Topics) -> None:
    # one broker holds one copy
    assert topics(name, topic(name)["partitions"], config(name)).startswith(name)


@pytest.mark.parametrize("name", [INPUT, *OUTPUTS])
def test_what_a_topic_acknowledged_survives_a_broker(name: str) -> None:
    copies, least = topic(name)["replicas"], int(config(name)["min.insync.replicas"])
    assert copies > least > 1
    assert config(name)["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_topic_takes_every_record_that_a_worker_may_write(name: str) -> None:
    assert int(config(name)["max.message.bytes"]) >= int(PRODUCER["message.max.bytes"])
    assert int(config(name)["max.message.bytes"]) >= int(config(INPUT)["max.message.bytes"])
    assert int(config(name)["message.timestamp.after.max.ms"]) > AHEAD
    assert int(config(name)["message.timestamp.before.max.ms"]) == 2**63 - 1  # a redrive may bring any date


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_result_outlives_the_oldest_event_that_may_still_be_scored(name: str) -> None:
    assert int(config(name)["retention.ms"]) >= int(config(INPUT)["retention.ms"]) + 7 * DAY
    assert config(name)["message.timestamp.type"] == "CreateTime"
    assert config(name)["cleanup.policy"] == "delete"


WRITTEN = ("Write", "Describe", "DescribeConfigs")


def rights(user: Any) -> set[tuple[str, str, str, str]]:
    acls = user["spec"]["authorization"]["acls"]
    return {
        (each["resource"]["type"], each["resource"]["patternType"], each["resource"]["name"], operation)
        for each in acls
        for operation in each["operations"]
    }


def test_the_user_has_the_rights_that_a_worker_needs_and_no_other() -> None:
    user = one("strimzi", "KafkaUser")
    ids = f"{GROUP}-"
    needed = {("topic", "literal", INPUT, each) for each in ("Read", "Describe")}
    needed |= {("group", "literal", GROUP, each) for each in ("Read", "Describe")}
    needed |= {("topic", "literal", name, each) for name in OUTPUTS for each in WRITTEN}
    needed |= {("transactionalId", "prefix", ids, each) for each in ("Write", "Describe")}
    assert rights(user) == needed
    host = f"{one('overlays/production', 'StatefulSet')['metadata']['name']}-0"
    assert all(each.startswith(ids) for each in transactional_ids(GROUP, host, 0))


def test_the_user_shows_its_certificate_where_the_workers_show_one() -> None:
    assert one("strimzi", "KafkaUser")["spec"]["authentication"] == {"type": "tls"}
    assert variables("overlays/production")["KAFKA_SECURITY_PROTOCOL"] == "SSL"


def test_all_that_belongs_to_kafka_stands_in_its_namespace_and_names_its_cluster() -> None:
    found = {
        (each["metadata"]["namespace"], each["metadata"]["labels"]["strimzi.io/cluster"]) for each in objects("strimzi")
    }
    ((namespace, cluster),) = found
    assert variables("overlays/production")[PREFIX + "BOOTSTRAP_SERVERS"].startswith(
        f"{cluster}-kafka-bootstrap.{namespace}.svc:"
    )


SCALED = "overlays/production"


def trigger() -> Any:
    (found,) = one(SCALED, "ScaledObject")["spec"]["triggers"]
    return found


def test_there_are_never_more_workers_than_partitions() -> None:
    spec = one(SCALED, "ScaledObject")["spec"]
    assert spec["maxReplicaCount"] == topic(INPUT)["partitions"]
    assert trigger()["metadata"]["allowIdleConsumers"] == "false"
    assert 2 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    assert spec["fallback"]["replicas"] == spec["minReplicaCount"]


def test_the_autoscaler_alone_says_how_many_workers_there_are() -> None:
    workers = one(SCALED, "StatefulSet")
    target = one(SCALED, "ScaledObject")["spec"]["scaleTargetRef"]
    assert "replicas" not in workers["spec"]
    assert target == {"apiVersion": workers["apiVersion"], "kind": "StatefulSet", "name": workers["metadata"]["name"]}
    assert one("base", "StatefulSet")["spec"]["replicas"] == 2
    assert one("overlays/scram", "StatefulSet")["spec"]["replicas"] == 3


def test_the_autoscaler_measures_the_lag_that_the_workers_have() -> None:
    metadata = trigger()["metadata"]
    assert metadata["bootstrapServers"] == variables(SCALED)[PREFIX + "BOOTSTRAP_SERVERS"]
    assert (metadata["consumerGroup"], metadata["topic"]) == (GROUP, INPUT)
    assert metadata["offsetResetPolicy"] == "earliest"
    assert metadata["tls"] == "enable"


def test_the_autoscaler_takes_workers_away_slowly() -> None:
    behavior = one(SCALED, "ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
    assert [each["type"] for each in behavior["scaleDown"]["policies"]] == ["Pods"]


def test_the_autoscaler_shows_the_workers_own_certificate() -> None:
    asked = {(each["name"], each["key"]) for each in one(SCALED, "TriggerAuthentication")["spec"]["secretTargetRef"]}
    (volume,) = [each for each in pod(SCALED)["spec"]["volumes"] if each["name"] == "kafka"]
    mounted = {
        (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert asked == mounted
    assert trigger()["authenticationRef"]["name"] == one(SCALED, "TriggerAuthentication")["metadata"]["name"]

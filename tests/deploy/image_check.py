"""The image, looked at and run as in production: nothing writable, no rights, against a real Kafka."""

import json
import statistics
import time

from confluent_kafka import Consumer, TopicPartition

from tests.deploy.engine import PROJECT, ROOT, docker, require, show, start, state, stop, wait_for
from tests.support.end_to_end import Line
from tests.support.wire import Event, write
from training.synthetic.dataset import keyed_events

IMAGE = "session-scorer:local"
PYTHON = "/opt/session-scorer/bin/python"
# neither may it write, nor gain rights
CAPTIVE = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
COLD_SECONDS, WARM_SECONDS, STOP_SECONDS = 5.0, 3.0, 30.0
ROUNDS = 3
EVENTS = 50_000
BUILDERS = ("pip", "pip3", "gcc", "cc", "g++", "make", "git", "cargo")
# what may fill or build an environment, asked of the image's own Python and of the base's
LEFT = f"""
import importlib.util, os, shutil
modules = [name for name in ("pip", "ensurepip", "setuptools", "wheel", "hatchling") if importlib.util.find_spec(name)]
print(os.getuid(), *modules, *filter(shutil.which, {BUILDERS!r}))
"""
INSTALLED = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"


def build(base: str) -> None:
    """By deploy/Dockerfile, on this base."""
    began = time.monotonic()
    options = ("--network", "host", "--build-arg", f"PYTHON_IMAGE={base}", "--file", "deploy/Dockerfile")
    docker("build", *options, "--tag", IMAGE, ".")
    whole, below = (int(docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (IMAGE, base))
    show("built", f"{time.monotonic() - began:.0f} s, {whole / 1e6:.0f} MB, {below / 1e6:.0f} MB of it the base")


def look_inside() -> None:
    """Who runs it, what is left in it, and its bill of materials."""
    for python in (PYTHON, "/usr/bin/python3"):
        user, *left = _inside(python, LEFT).split()
        require(user == "10001" and not left, f"{python} runs as {user} and finds {left}")
    show("user; build tools left", "10001; none")
    label = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    place = label["session-scorer.sbom"]
    bill = json.loads(docker("run", "--rm", *CAPTIVE, "--entrypoint", "cat", IMAGE, place))
    whole = [bill["metadata"]["component"], *bill["components"]]
    listed = sorted(f"{each['name']}=={each['version']}" for each in whole)
    installed = _inside(PYTHON, INSTALLED).split()
    require(listed == installed, f"{place} lists {listed}, and installed are {installed}")
    show("bill of materials", f"CycloneDX {bill['specVersion']} at {place}: the {len(listed)} that are installed")


def _inside(python: str, program: str) -> str:
    return docker("run", "--rm", *CAPTIVE, "--entrypoint", python, IMAGE, "-c", program)


def start_times(line: Line) -> None:
    """From `docker run` to the first result at a committed reader, where compiled code is kept and where not.

    It is gone with its container, unless /dev/shm is that of another, as in a pod whose container is started again.
    """
    _start_time("start to first result, nothing kept", line, (), COLD_SECONDS)
    keeper = start(*CAPTIVE, "--ipc", "shareable", "--entrypoint", "sleep", IMAGE, "infinity")
    kept = ("--ipc", f"container:{keeper}")
    _first_result(line, kept)
    _start_time("start to first result, compiled code kept", line, kept, WARM_SECONDS)


def _start_time(what: str, line: Line, options: tuple[str, ...], bound: float) -> None:
    took = [_first_result(line, options) for _ in range(ROUNDS)]
    middle = statistics.median(took)
    require(middle < bound, f"{what}: {middle:.2f} s, and {bound:g} s are promised")
    show(what, f"{middle:.2f} s ({min(took):.2f} to {max(took):.2f}), bound {bound:g} s")


def _first_result(line: Line, options: tuple[str, ...]) -> float:
    reader = Consumer({"bootstrap.servers": line.bootstrap, "group.id": "nobody", "log_level": 0})
    places = [TopicPartition(line.results, number) for number in range(line.partitions)]
    for place in places:
        place.offset = reader.get_watermark_offsets(place, 30.0)[1]
    reader.assign(places)
    key, value = next(keyed_events(seed=7))
    write(line.bootstrap, line.sessions, [Event(value, key)])
    began = time.monotonic()
    container = _consumer(*options)
    message = reader.poll(30.0)
    took = time.monotonic() - began
    reader.close()
    stop(container)
    require(message is not None and message.error() is None, "no result within 30 s")
    return took


def _consumer(*options: str) -> str:
    kafka = ("--env", "SESSION_SCORER_BOOTSTRAP_SERVERS=kafka:19092", "--network", f"{PROJECT}_default")
    return start(*CAPTIVE, *kafka, *options, IMAGE)


def health_and_stop(line: Line) -> None:
    """One is told to stop in the midst of a backlog; another one, with artifacts mounted, is healthy and ends it."""
    planted = line.feed(EVENTS)
    before = line.committed()
    first = _consumer()
    wait_for(lambda: line.committed() > before, "events are committed")
    took = stop(first)
    done = f"{line.committed() - before:,} of {EVENTS:,} events done"
    show("SIGTERM to its end, exit 0", f"{took:.1f} s, bound {STOP_SECONDS:g} s, {done}")
    require(took < STOP_SECONDS, f"the stop took {took:.1f} s, and {STOP_SECONDS:g} s are promised")
    mounted = ("--volume", f"{ROOT / 'artifacts'}:/artifacts:ro", "--env", "SESSION_SCORER_ARTIFACTS=/artifacts")
    second = _consumer(*mounted)
    waited = wait_for(lambda: state(second, "Health.Status") == "healthy", "healthy")
    show("healthy, with artifacts mounted", f"after {waited:.1f} s")
    wait_for(lambda: line.committed() == before + EVENTS, "all events are committed")
    stop(second)
    report = line.check(planted)
    require(not report.faults(), f"outcomes: {report.faults()}")
    show("every event has its one outcome", str(report.counts))

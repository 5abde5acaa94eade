"""On what it was measured: the machine, and the versions of all that takes part."""

import os
import platform
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from tests.support.kafka import jars

PACKAGES = (
    "numpy",
    "numba",
    "msgspec",
    "orjson",
    "confluent-kafka",
    "scikit-learn",
    "onnxruntime",
    "pandas",
    "polars",
    "pyarrow",
)
DISTURBING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What, set in the environment, makes numpy choose kernels of another CPU: nothing is measured under it."""


def facts(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the machine and the versions of what is measured, by name."""
    return {
        "CPU": f"{cpu()}, {cores()} cores",
        "memory": f"{memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {build()}",
        "Apache Kafka": f"{jars.version()}, one node on the same cores",
        "librdkafka": confluent_kafka.libversion()[0],
        **{name: version(name) for name in packages},
    }


def cpu() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    said = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(said, platform.processor() or platform.machine())


def build() -> str:
    """How this Python was built: one without its optimisations takes a tenth longer."""
    if sys.base_prefix == "/usr":  # what Debian says of its own is not how it built it
        return f"of {platform.freedesktop_os_release()['PRETTY_NAME']}"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"built {'with' if optimised else 'without'} --enable-optimizations"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def undisturbed(environment: dict[str, str]) -> dict[str, str]:
    """The environment without what slows numpy."""
    return {name: value for name, value in environment.items() if name not in DISTURBING}

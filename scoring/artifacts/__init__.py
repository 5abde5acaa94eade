"""A set of artifacts: five pickled files and their manifest, verified and read without running code from them."""

from scoring.artifacts.from_pickles import read_model
from scoring.artifacts.loading import ADOPT, Artifacts, load, read_files, shipped
from scoring.artifacts.manifest import (
    FILES,
    MANIFEST_FILE,
    Manifest,
    Thresholds,
    Training,
    check_thresholds,
    read_manifest,
)

__all__ = [
    "ADOPT",
    "FILES",
    "MANIFEST_FILE",
    "Artifacts",
    "Manifest",
    "Thresholds",
    "Training",
    "check_thresholds",
    "load",
    "read_files",
    "read_manifest",
    "read_model",
    "shipped",
]

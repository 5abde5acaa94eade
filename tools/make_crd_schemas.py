"""Writes tests/deploy/schemas: `python -m tools.make_crd_schemas CRD.yaml...`, from custom resource definitions.

Where those come from stands in the README there. What stays is what an object is checked against: the schema, without
its descriptions and without the status, which only controllers write.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SCHEMAS = Path(__file__).parents[1] / "tests" / "deploy" / "schemas"


def checked_against(definition: Any) -> dict[str, Any]:
    """The schema of the version that is stored, for objects as a user writes them."""
    (version,) = [each for each in definition["spec"]["versions"] if each["storage"]]
    schema = _bare(version["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    names = {
        "apiVersion": f"{definition['spec']['group']}/{version['name']}",
        "kind": definition["spec"]["names"]["kind"],
    }
    return names | {"schema": schema}


def _bare(node: Any) -> Any:
    """Without descriptions; a property of that name is a schema, not a text, and stays."""
    if isinstance(node, dict):
        return {
            name: _bare(each) for name, each in node.items() if not (name == "description" and isinstance(each, str))
        }
    return [_bare(each) for each in node] if isinstance(node, list) else node


def main() -> None:
    for path in sys.argv[1:]:
        kept = checked_against(YAML(typ="safe").load(Path(path)))
        target = SCHEMAS / f"{kept['kind'].lower()}.json"
        target.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

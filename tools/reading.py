"""Show how the code reads, in figures that no check fails on: python -m tools.reading"""

import ast
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tools.rooms import PACKAGES

QUESTION: Final = re.compile(r"\W*(what|whether|how|where|which|why|who|when|whom|whose)\b", re.IGNORECASE)
FILLER: Final = re.compile(
    "(?<![a-z])(said|told|came|taken|took|found|shown|given|anew|gone|chosen|wanted|whole|each|place|nothing|nobody"
    "|whoever|whatever|goes|made|beside|meanwhile)(?![a-z])",
    re.IGNORECASE,
)


def figures(texts: list[str]) -> dict[str, float]:
    """Measure the source texts of modules."""
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    docstrings = [docstring for docstring in map(ast.get_docstring, functions) if docstring]
    questions = sum(bool(QUESTION.match(docstring)) for docstring in docstrings)
    fillers = sum(len(FILLER.findall(text)) for text in texts)
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    names = Counter(node.name.lstrip("_") for node in classes)
    thousands = sum(text.count("\n") for text in texts) / 1000
    return {
        "function docstrings that begin with What, Whether, How…, %": 100 * questions / max(len(docstrings), 1),
        "filler words per 1,000 lines": fillers / thousands,
        "lambdas per 1,000 lines": sum(isinstance(node, ast.Lambda) for node in nodes) / thousands,
        "class names used twice": sum(count > 1 for count in names.values()),
        "protocols": sum("Protocol" in ast.unparse(base) for node in classes for base in node.bases),
    }


if __name__ == "__main__":
    paths = [path for name in PACKAGES for path in sorted(Path(name).rglob("*.py"))]
    measured = figures([path.read_text(encoding="utf-8") for path in paths])
    sys.stdout.writelines(f"{name:60}{value:>6.1f}\n" for name, value in measured.items())

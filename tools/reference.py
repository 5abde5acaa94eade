"""Write the reference of the Python API, one HTML page made from docstrings: python -m tools.reference DIRECTORY"""

import re
import sys
from pathlib import Path

import pdoc.render

import scoring


def write(directory: Path) -> Path:
    """Write the page into a directory and return its path. Raises ValueError for a link that leads nowhere."""
    pdoc.render.configure(docformat="markdown", show_source=False, search=False)
    pdoc.pdoc("scoring", r"!scoring\..*", output_directory=directory)
    page = directory / "scoring.html"
    if dead := dead_links(page.read_text("utf-8")):
        raise ValueError(f"{page}: links that lead nowhere: {', '.join(dead)}")
    return page


def dead_links(html: str) -> list[str]:
    """Return the public names of `scoring` that the page lacks, and its links to anchors that it does not have."""
    anchors = set(re.findall(r'\bid="([^"]+)"', html))
    links = {*scoring.__all__, *re.findall(r'href="#([^"]+)"', html)}
    return sorted(links - anchors)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))}\n")

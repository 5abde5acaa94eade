"""Show how the rooms of each package import each other; with --check, fail on what is over a limit:

    python -m tools.rooms [--deep] [--check [cycles|chains|folders|modules ...]]

A room is a folder directly below a package, with all folders beneath it, or a loose module; an arrow leads from a room
to one that it imports, also inside functions and under TYPE_CHECKING. A deep import names a module of another package
that is no `__init__`.
"""

import argparse
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Final

import grimp

PACKAGES: Final = ("scoring", "consumer", "training")
MAX_CHAIN: Final = {"scoring": 9, "consumer": 9}  # rooms, the first importer and the last imported one included
MAX_FILES: Final = 17  # in one folder
MAX_LOOSE_MODULES: Final = {"consumer": 6}
KINDS: Final = ("cycles", "chains", "folders", "modules")
ROW: Final = "{:10}{:>6}{:>8}{:>8}{:>15}{:>15}  {}"
HEAD: Final = ROW.format("package", "rooms", "arrows", "cycles", "longest chain", "loose modules", "files by folder")
NOTE: Final = "Not counted: __init__ as a file; a package's __init__ and __main__ as room, loose module, chain's start"


def measure(graph: grimp.ImportGraph, root: Path, name: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a package's row of the table, and the kind and one line for each violation of a limit."""
    rooms = graph_of_rooms(graph, name)
    arrows = rooms.count_imports()
    cycles = remove_cycles(rooms, name)
    starts = sorted(room for room in rooms.find_children(name) if not room.endswith("__"))
    chain = longest_chain(rooms, starts)
    paths = [path.relative_to(root) for path in (root / name).rglob("*.py") if path.stem != "__init__"]
    folders = Counter(path.parent.as_posix() for path in paths)
    loose = folders[name] - (Path(name, "__main__.py") in paths)
    sizes = ", ".join(f"{folder} {count}" for folder, count in folders.most_common())
    limited = [
        ("chains", len(chain), MAX_CHAIN.get(name, inf), f"rooms in the chain {' → '.join(chain)}"),
        *(("folders", count, MAX_FILES, f"files in {folder}") for folder, count in folders.most_common()),
        ("modules", loose, MAX_LOOSE_MODULES.get(name, inf), "loose modules"),
    ]
    violations = [("cycles", f"{name}: cycle {cycle}") for cycle in cycles]
    violations += [
        (kind, f"{name}: {count} (limit {limit}) {what}") for kind, count, limit, what in limited if count > limit
    ]
    return ROW.format(name, len(starts), arrows, len(cycles), len(chain), loose, sizes), violations


def graph_of_rooms(graph: grimp.ImportGraph, name: str) -> grimp.ImportGraph:
    """Return the arrows between the rooms of a package; the text of each names the modules of one import."""
    rooms = grimp.ImportGraph()
    rooms.add_module(name)
    for importer in sorted({name, *graph.find_descendants(name)}):
        rooms.add_module(room := room_of(importer))
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if imported.split(".")[0] == name and (other := room_of(imported)) != room:
                text = f"{importer} imports {imported}"
                rooms.add_import(importer=room, imported=other, line_number=1, line_contents=text)
    return rooms


def room_of(module: str) -> str:
    """Return the room of a module: the first two parts of its name."""
    return ".".join(f"{module}.__init__".split(".")[:2])


def remove_cycles(rooms: grimp.ImportGraph, name: str) -> list[str]:
    """Remove an arrow of each cycle; return the cycles with the modules that import each other."""
    cycles = []
    for importer, imported in sorted(rooms.nominate_cycle_breakers(name)):
        if chain := rooms.find_shortest_chain(imported, importer):
            arrows = pairwise((importer, *chain))
            imports = [rooms.get_import_details(importer=a, imported=b)[0]["line_contents"] for a, b in arrows]
            cycles.append(f"{importer} → {' → '.join(chain)} ({', '.join(imports)})")
            rooms.remove_import(importer=importer, imported=imported)
    return cycles


def longest_chain(rooms: grimp.ImportGraph, starts: list[str]) -> tuple[str, ...]:
    """Return the rooms of the longest chain of arrows. The rooms must have no cycle."""

    @cache
    def chain_from(room: str) -> tuple[str, ...]:
        imported = sorted(rooms.find_modules_directly_imported_by(room))
        return room, *max(map(chain_from, imported), key=len, default=())

    return max(map(chain_from, starts), key=len, default=())


def deep_imports(graph: grimp.ImportGraph, root: Path) -> list[str]:
    """Return the imports of another package's modules that are no `__init__`."""
    pairs = [(module, each) for module in graph.modules for each in graph.find_modules_directly_imported_by(module)]
    across = [(importer, imported) for importer, imported in pairs if importer.split(".")[0] != imported.split(".")[0]]
    deep = [pair for pair in across if not root.joinpath(*pair[1].split("."), "__init__.py").exists()]
    return sorted(f"{importer} imports {imported}" for importer, imported in deep)


def main() -> None:
    """Print the table and the violations; exit with 1 for a violation that is checked."""
    parser = argparse.ArgumentParser(prog="python -m tools.rooms", description="Show how rooms import each other.")
    parser.add_argument("--check", nargs="*", choices=KINDS, help="fail on violations of these kinds [all]")
    parser.add_argument("--deep", action="store_true", help="list deep imports")
    options = parser.parse_args()
    checked = KINDS if options.check == [] else options.check or ()
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    measured = [measure(graph, Path(), name) for name in PACKAGES]
    violations = [violation for _, lines in measured for violation in lines]
    deep = deep_imports(graph, Path())
    lines = [HEAD, *(row for row, _ in measured), NOTE, f"Deep imports: {len(deep)}", *(deep if options.deep else ())]
    lines += [f"{'error' if kind in checked else 'not checked'}: {line}" for kind, line in violations]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(any(kind in checked for kind, _ in violations))


if __name__ == "__main__":
    main()

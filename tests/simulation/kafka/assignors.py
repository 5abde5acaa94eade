"""How partitions are shared among the members of a group: Kafka's assignors.

Partitions are those of all topics, by index: `range`, which shares each topic by itself, shares them as one here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

Assignment = dict[str, frozenset[int]]


class Claim(NamedTuple):
    """What a member says it owns when it joins, and since which generation."""

    generation: int
    partitions: frozenset[int]


def assign_ranges(members: Iterable[str], partitions: Sequence[int]) -> Assignment:
    """Share partitions in consecutive ranges, in the order of member ids (`range`)."""
    names = sorted(members)
    least, larger = divmod(len(partitions), len(names))
    assignment, first = {}, 0
    for index, name in enumerate(names):
        count = least + (index < larger)
        assignment[name] = frozenset(partitions[first : first + count])
        first += count
    return assignment


def assign_cooperatively(claims: Mapping[str, Claim], partitions: Sequence[int]) -> Assignment:
    """Share partitions evenly, moving few; one that changes hands is free for this round (`cooperative-sticky`)."""
    target = assign_evenly(_latest(claims), partitions)
    owners = {number: name for name, claim in claims.items() for number in claim.partitions}
    return {
        name: frozenset(number for number in given if owners.get(number, name) == name)
        for name, given in target.items()
    }


def assign_evenly(owned: Mapping[str, frozenset[int]], partitions: Sequence[int]) -> Assignment:
    """Share partitions evenly, each member keeping as many of its own as it may (`uniform`)."""
    names = sorted(owned, key=lambda name: (-len(owned[name]), name))
    least, larger = divmod(len(partitions), len(names))
    free = set(partitions)
    kept: dict[str, set[int]] = {}
    for index, name in enumerate(names):
        kept[name] = set(sorted(owned[name] & free)[: least + (index < larger)])
        free -= kept[name]
    rest = iter(sorted(free))
    for index, name in enumerate(names):
        missing = least + (index < larger) - len(kept[name])
        kept[name].update(next(rest) for _ in range(missing))
    return {name: frozenset(numbers) for name, numbers in kept.items()}


def _latest(claims: Mapping[str, Claim]) -> dict[str, frozenset[int]]:
    """Return what each member owns where claims conflict: the latest generation's; of equal ones nobody's."""
    newest: dict[int, int] = {}
    for claim in claims.values():
        newest |= {number: max(claim.generation, newest.get(number, -1)) for number in claim.partitions}
    valid = {
        name: {number for number in claim.partitions if claim.generation == newest[number]}
        for name, claim in claims.items()
    }
    owners = Counter(chain.from_iterable(valid.values()))
    return {name: frozenset(number for number in numbers if owners[number] == 1) for name, numbers in valid.items()}

"""How partitions are shared among the members of a group: Kafka's assignors.

`topics` has the partitions, by index, of each topic that some member reads.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

Assignment = dict[str, frozenset[int]]


class Claim(NamedTuple):
    """What a member says when it joins: the topics that it reads, what it owns, and since which generation."""

    topics: tuple[str, ...]
    generation: int = -1
    partitions: frozenset[int] = frozenset()


def assign_ranges(claims: Mapping[str, Claim], topics: Mapping[str, Sequence[int]]) -> Assignment:
    """Share each topic by itself in consecutive ranges, in the order of member ids (`range`)."""
    assignment = dict.fromkeys(claims, frozenset[int]())
    for topic, partitions in topics.items():
        names = _readers(claims, topic)
        least, larger = divmod(len(partitions), len(names))
        first = 0
        for index, name in enumerate(names):
            count = least + (index < larger)
            assignment[name] |= frozenset(partitions[first : first + count])
            first += count
    return assignment


def assign_cooperatively(claims: Mapping[str, Claim], topics: Mapping[str, Sequence[int]]) -> Assignment:
    """Share partitions evenly, moving few; one that changes hands is free for this round (`cooperative-sticky`).

    Partitions of a topic that only some members know yet stay where they are, or go to those with the fewest.
    """
    latest = _latest(claims)
    readers = {topic: _readers(claims, topic) for topic in topics}
    known_to_all = [topic for topic, names in readers.items() if len(names) == len(claims)]
    target = assign_evenly(latest, [number for topic in known_to_all for number in topics[topic]])
    for topic in [each for each in topics if each not in known_to_all]:
        for number in topics[topic]:
            name = min(readers[topic], key=lambda name: (number not in latest[name], len(target[name]), name))
            target[name] |= {number}
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


def _readers(claims: Mapping[str, Claim], topic: str) -> list[str]:
    return sorted(name for name, claim in claims.items() if topic in claim.topics)


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

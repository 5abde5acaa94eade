"""`python -m tools.reading` on a made-up module."""

from tools.reading import figures

TEXT = '''
class Reader(Protocol):
    def read(self) -> bytes:
        """What was found."""


class _Reader:
    def read(self) -> bytes:
        """Return whole_lines."""
        return (lambda: b"")()
'''


def test_figures_count_docstrings_words_lambdas_and_classes() -> None:
    assert list(figures([TEXT]).values()) == [50, 2 / 0.01, 1 / 0.01, 1, 1]

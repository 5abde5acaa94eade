"""Train artifact sets from labelled sessions and measure them. Imports scoring, never the consumer."""


class TrainingError(ValueError):
    """Data or a directory that cannot be used. The message is one line: the file, the row, the remedy."""

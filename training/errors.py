"""What can be wrong with the data that a model is to be trained from."""


class TrainingError(ValueError):
    """Data that no model can be trained from. The message is one line: which file, which row, what to do."""

"""Settings as tests write them, and the message of those that are refused."""

from pathlib import Path

import pytest

from consumer.config.settings import SettingsError, load_settings


def settings_file(directory: Path, text: str) -> str:
    """Write the file, and return its path."""
    path = directory / "settings.toml"
    path.write_text(text, "utf-8")
    return str(path)


def refused(cli_settings: dict[str, object] | None = None) -> str:
    """Return the line that says what is wrong."""
    with pytest.raises(SettingsError) as caught:
        load_settings(cli_settings)
    message = str(caught.value)
    assert "\n" not in message
    return message

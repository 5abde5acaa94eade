"""`session-scorer completion`: what bash, zsh and fish complete by its scripts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import PROGRAM

COMPLETE = "_SESSION_SCORER_COMPLETE"
HEAVY = {"numpy", "numba", "confluent_kafka", "scoring"}
PATH = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"

BASH = """
eval "$(session-scorer completion bash)"
complete -p session-scorer
read -ra COMP_WORDS <<<"$2"
[[ $2 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_session_scorer_completion "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH_START = """
PS1='> '; autoload -U compinit; compinit -D -u; eval "$(session-scorer completion zsh)"
show() { zle -I; print -r -- "<$BUFFER>" }; zle -N show; bindkey '^X' show
print re''ady
"""
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "$1"
zpty -r shell typed '*ready*'
zpty -w -n shell "$2"$'\t\x18'
zpty -r shell typed '*<session*>*'
print -r -- "$typed"
"""
FISH = "session-scorer completion fish | source; complete -C $argv[1]"


def run(shell: str, *arguments: str, cwd: Path) -> list[str]:
    """Return what a shell prints, in lines; skip the test where there is no such shell, which CI does not allow."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: on Debian, apt-get install {shell}")
    environment = {"PATH": PATH, "HOME": str(cwd), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [shell, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def bash(line: str, cwd: Path, program: str = "session-scorer") -> list[str]:
    """Return the candidates for the last word of a line."""
    registered, *candidates = run("bash", "--norc", "-c", BASH, "bash", program, line, cwd=cwd)
    assert registered == "complete -o default -F _session_scorer_completion session-scorer"  # default: names of files
    return [candidate for candidate in candidates if candidate]


def fish(line: str, cwd: Path) -> dict[str, str]:
    """Return the candidates for the last word of a line, each with its help."""
    pairs = (text.partition("\t") for text in run("fish", "--no-config", "-c", FISH, line, cwd=cwd))
    return {candidate: help_text for candidate, _, help_text in pairs}


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("session-scorer mo", ["model"]),
        ("session-scorer c", ["check", "config", "completion"]),
        ("session-scorer config ", ["init", "show"]),
        ("session-scorer run --on-", ["--on-gap", "--on-unreadable"]),
        ("session-scorer config show --create", ["--create-topics"]),
        ("session-scorer run --delivery ", ["exactly-once", "at-least-once"]),
        ("session-scorer check --input-format json", ["json", "json-schema"]),
        ("session-scorer run --group-id a --log-level w", ["warning"]),
        ("session-scorer watch --login ", ["aws-msk-iam", "gcp"]),
        ("session-scorer train --split ", ["time", "group"]),
        ("session-scorer score - --format ", ["csv", "jsonl", "parquet", "arrow"]),
        ("session-scorer dead-letters list --code bad", ["bad_date", "bad_framing"]),
        ("session-scorer completion ", ["bash", "zsh", "fish"]),
        ("session-scorer run --config ", []),  # bash's default then completes names of files
        ("session-scorer score ", []),
        ("session-scorer nonsense ", []),
        ("session-scorer --version mo", ["model"]),
    ],
)
def test_bash_completes(line: str, candidates: list[str], tmp_path: Path) -> None:
    assert bash(line, tmp_path) == candidates


def test_bash_completes_a_program_in_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / "session-scorer").symlink_to(PROGRAM)
    assert bash("~/session-scorer mo", tmp_path, "~/session-scorer") == ["model"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("session-scorer run --deliv", "<session-scorer run --delivery >"),
        ("session-scorer run --delivery ex", "<session-scorer run --delivery exactly-once >"),
        ("session-scorer run --config scor", "<session-scorer run --config scorer.toml >"),
        ("session-scorer ", "-- Verify, show or compare artifact sets."),
        ("session-scorer run --on-", "-- What to do when events were deleted unread [stop]."),
    ],
)
def test_zsh_completes(line: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "scorer.toml").touch()
    assert shown in "".join(run("zsh", "-f", "-c", ZSH, "zsh", ZSH_START, line, cwd=tmp_path))


def test_fish_completes_with_help(tmp_path: Path) -> None:
    (tmp_path / "scorer.toml").touch()
    assert fish("session-scorer mo", tmp_path) == {"model": "Verify, show or compare artifact sets."}
    options = fish("session-scorer run --on-", tmp_path)
    assert options.keys() == {"--on-gap", "--on-unreadable"}
    assert options["--on-unreadable"].endswith("that cannot be decompressed or has a wrong checksum [stop].")
    assert fish("session-scorer run --delivery ", tmp_path).keys() == {"exactly-once", "at-least-once"}
    assert fish("session-scorer run --config scor", tmp_path).keys() == {"scorer.toml"}


@pytest.mark.parametrize(
    "words", ["", "run --", "check --delivery ", "config show --", "predict --", "score --", "model diff --"]
)
def test_completion_imports_no_slow_module(words: str) -> None:
    code = (
        "import sys; sys.argv = ['session-scorer']\n"
        "from consumer.cli import main as cli\n"
        f"try: cli.main()\nexcept SystemExit: print(sorted({HEAVY} & sys.modules.keys()))"
    )
    environment = {**os.environ, COMPLETE: "complete_zsh", "_TYPER_COMPLETE_ARGS": f"session-scorer {words}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "_arguments" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("line", ["session-scorer nonsense --x", "session-scorer model nonsense ", None])
def test_completion_prints_no_error(line: str | None) -> None:
    words = {} if line is None else {"COMP_WORDS": line, "COMP_CWORD": "2"}
    environment = {**os.environ, COMPLETE: "complete_bash", **words}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() + done.stderr == ""

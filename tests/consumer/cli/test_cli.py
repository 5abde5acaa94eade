"""The command line as its users meet it: what is printed where, and the exit status."""

import dataclasses
import gzip
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from consumer.cli.setting_options import GROUPS
from consumer.config.settings import Settings
from scoring import Scorer, tables
from scoring.artifacts import FILES, loading
from tests.support.command_line import Call, Said
from training.synthetic.dataset import generate

PROGRAM = Path(sysconfig.get_path("scripts")) / "session-scorer"
EVENT = {
    "session_id": "s-1",
    "click_events": 35,
    "transaction_amount": 12000,
    "transaction_date": "2025-04-18 02:00:00",
}

GAPS = '{"click_events": null}'


@pytest.fixture
def bare_set(tmp_path: Path) -> Path:
    """Five files without a manifest."""
    directory = tmp_path / "set"
    directory.mkdir()
    for name in FILES:
        shutil.copy(loading.shipped() / name, directory)
    return directory


# -- in general ------------------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_project(call: Call) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert call("--version").out == f"session-scorer {project['version']}\n"


COMMANDS = [
    [],
    *([name] for name in ("run", "demo", "predict", "score", "check", "watch", "train", "evaluate", "completion")),
    *(["model", name] for name in ("verify", "show", "diff")),
    *(["dead-letters", name] for name in ("list", "redrive", "skip")),
    *(["config", name] for name in ("init", "show")),
    ["model"],
    ["dead-letters"],
    ["config"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_has_examples_before_options(call: Call, command: list[str]) -> None:
    said = call(*command, "-h")
    assert said.status == 0
    assert said == call(*command, "--help")
    assert said.out.startswith(f"Usage: {' '.join(['session-scorer', *command])}")
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.out.index("Example") < said.out.index("Options:")
    assert f"    session-scorer {' '.join(command)}" in said.out.partition("Options:")[0]
    assert not re.search(r"<[a-z]", said.out), "a type of Python means nothing to a reader"


def test_the_settings_stand_in_groups_each_in_one(call: Call) -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(Settings.model_fields)
    help_text = call("run", "--help").out
    assert [line.removesuffix(":") for line in help_text.splitlines() if line.removesuffix(":") in GROUPS] == [*GROUPS]


def test_a_command_lists_only_the_options_that_it_uses(call: Call) -> None:
    listed = call("dead-letters", "list", "--help").out
    assert "--dead-letters-topic" in listed
    for flag in ("--batch-events", "--metrics-port", "--input-topic", "--artifacts", "--slot", "--batch-age-ms"):
        assert flag not in listed
    assert "--input-topic" in call("dead-letters", "redrive", "--help").out
    assert "--batch-age-ms" not in call("run", "--help").out


def test_options_of_other_commands_are_accepted_with_one_line(call: Call) -> None:
    arguments = ["--batch-events", "5", "--no-create-topics", "-R", "a=b", "--group-id", "x", "--since", "nonsense"]
    said = call("dead-letters", "list", *arguments)
    assert said.status == 2
    first, *rest = said.err.splitlines()
    assert first.startswith("session-scorer: --create-topics, --batch-events, -R: not used by `session-scorer dead-")
    assert "--since" in "".join(rest)


def test_an_option_of_an_earlier_version_is_accepted_with_one_line(call: Call) -> None:
    said = call("run", "--batch-age-ms", "5", "--metrics-port", "x")
    assert said.status == 1
    first, second = said.err.splitlines()
    assert first.startswith(
        "session-scorer: --batch-age-ms is an option of an earlier version, and ignored: --latency-"
    )
    assert second.startswith("session-scorer: --metrics-port: expected")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["prdict"], "predict"),
        (["PREDICT"], "predict"),
        (["help"], "--help"),
        (["model", "verfy"], "verify"),
        (["dead-letters", "lst"], "list"),
        (["run", "--input-topc", "a"], "--input-topic"),
        (["score", "a.csv", "--ouput", "b.csv"], "--output"),
    ],
)
def test_a_slip_is_answered_with_the_nearest_name(call: Call, arguments: list[str], nearest: str) -> None:
    said = call(*arguments)
    assert said.status == 2
    assert nearest in said.err.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["predict"], ["score", "in.csv"], ["run", "--nonsense"], ["predict", "-", "--nonsense"]]
)
def test_wrong_usage_is_status_2(call: Call, arguments: list[str]) -> None:
    said = call(*arguments)
    assert said.status == 2
    assert "Traceback" not in said.err


def test_a_mistake_of_ours_keeps_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Scorer, "load", broken)
    with pytest.raises(ZeroDivisionError):
        call("predict", "-", stdin=GAPS)


def test_help_needs_neither_model_nor_kafka() -> None:
    # in a process of its own: here everything is imported long since
    code = (
        "import sys; sys.argv = ['session-scorer', '--help']\n"
        "from consumer.cli import main as cli\n"
        "try: cli.main()\n"
        "except SystemExit: print(sorted({'numpy', 'numba', 'confluent_kafka', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


# -- predict ---------------------------------------------------------------------------------------------------------


def test_one_event_in_one_verdict_out(call: Call, scorer: Scorer) -> None:
    said = call("predict", "-", stdin=json.dumps(EVENT))
    assert (said.status, said.err) == (0, "")
    assert said.out.count("\n") == 1
    assert json.loads(said.out) == scorer.score(EVENT).as_dict()
    assert list(json.loads(said.out)) == [
        "predicted_label",
        "anomaly_score",
        "risk_level",
        "risk_reason",
        "reason_codes",
        "imputed_fields",
    ]


def test_an_array_in_an_array_out(call: Call, scorer: Scorer, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text(json.dumps([EVENT, json.loads(GAPS)], indent=4))
    said = call("predict", file)
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out) == [scorer.score(EVENT).as_dict(), scorer.score({}).as_dict()]
    assert call("predict", "-", stdin=" [ ] ") == Said(0, "[]\n", "")


def test_on_a_terminal_the_verdict_is_laid_out(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert '\n  "anomaly_score": ' in call("predict", "-", stdin=GAPS).out


def test_explained_verdicts_have_all_contributions_beside_the_base_rate(call: Call, scorer: Scorer) -> None:
    for event in (EVENT, json.loads(GAPS)):
        said = call("predict", "--explain", "-", stdin=json.dumps(event))
        verdict = dataclasses.asdict(scorer.explain(event))
        assert (said.status, said.err) == (0, "")
        assert said.out.count("\n") == 1
        assert json.loads(said.out) == verdict
        assert list(json.loads(said.out))[-2:] == ["base_rate", "contributions"]
        assert len(verdict["contributions"]) == len(scorer.artifacts.model.feature_names)


def test_in_an_array_the_valid_events_are_explained(call: Call, scorer: Scorer) -> None:
    events = [EVENT, {"click_events": -1}, {}, json.loads(GAPS)]
    plain = call("predict", "-", stdin=json.dumps(events))
    said = call("predict", "-", "--explain", stdin=json.dumps(events))
    assert (said.status, said.err) == (1, plain.err)
    first, *errors, last = json.loads(said.out)
    assert first == dataclasses.asdict(scorer.explain(EVENT))
    assert last == dataclasses.asdict(scorer.explain({}))
    assert errors == json.loads(plain.out)[1:3]
    assert [answer["error"]["code"] for answer in errors] == ["out_of_range", "no_known_field"]


def test_on_a_terminal_each_contribution_has_a_line(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.dumps(EVENT | {"browser_info": '{ "feature": 1,\n "value": 2, "contribution": 3 }'})
    piped = call("predict", "-", "--explain", stdin=event).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = call("predict", "-", "--explain", stdin=event).out
    contributions = json.loads(piped)["contributions"]
    assert json.loads(out) == json.loads(piped)
    lines = [line.strip().removesuffix(",") for line in out.splitlines() if '{"feature"' in line]
    assert [json.loads(line) for line in lines] == contributions


@pytest.mark.parametrize("options", [[], ["--explain"]], ids=str)
@pytest.mark.parametrize(
    ("event", "line"),
    [
        (b'{"click_events": "4"}', "click_events: expected a number from 0 to 1e12, got a string (wrong_type)"),
        (b'{"transaction_date": "soon"}', "transaction_date: expected a date"),
        (b"", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"x": "\xff"}', "not UTF-8 at byte 7 (not_json)"),
        (b'"text"', "expected an object, got a string (not_an_object)"),
        (b"[{}", "not JSON"),
        (b"[{}] x", "not JSON"),
        (b"[{]", "not JSON"),
        (b'{"clicks": 4}', "no field of a session event"),
    ],
)
def test_what_is_no_event_is_one_line_with_field_and_code(
    call: Call, event: bytes, line: str, options: list[str]
) -> None:
    said = call("predict", "-", *options, stdin=event)
    assert (said.status, said.out) == (1, "")
    assert said.line.startswith(f"session-scorer: stdin: {line}")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty: give a file that has events"),
        (b"\xef\xbb\xbf{}", "it begins with a byte order mark: save it as UTF-8 without one"),
        (b"{}\n{}\n", "it is JSON Lines, an event a line: `session-scorer score` takes it"),
        (b"click_events,device_type\n1,PC\n", "it is CSV or another table of text: `session-scorer score` takes it"),
        (b"PAR1\x15\0", "it is Parquet: `session-scorer score` takes it"),
        (b"{'click_events': 1}", "it is Python's way to print dicts: write JSON, by json.dumps"),
        ("{}".encode("utf-16"), "it is text in UTF-16: save it as UTF-8"),
        (gzip.compress(b"{}", mtime=0), "it is compressed by gzip: uncompress it first (gunzip)"),
        (b"<html>", "it is HTML or XML: "),
    ],
)
def test_what_is_not_json_is_named(call: Call, data: bytes, what: str) -> None:
    said = call("predict", "-", stdin=data)
    assert (said.status, said.out) == (1, "")
    assert f"(not_json); {what}" in said.line


def test_in_an_array_each_invalid_event_is_an_error_in_its_place(call: Call) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    events = [
        GAPS.encode(),
        b'{"click_events": -1}',
        b'{"a": NaN}',
        b"oops",
        b'{"language": "]}, \\" ["}',
        b'{"a": "\xff"}',
        deep,
        GAPS.encode(),
    ]
    said = call("predict", "-", stdin=b"[" + b" ,\n".join(events) + b"]")
    assert said.status == 1
    assert said.line == 'session-scorer: 5 of 8 events are invalid, see "error"'
    answers = json.loads(said.out)
    message = "click_events: expected a number from 0 to 1e12, got a number beyond that"
    assert answers[1] == {"error": {"code": "out_of_range", "field": "click_events", "message": message}}
    codes = [answer.get("error", {}).get("code") for answer in answers]
    assert codes == [None, "out_of_range", "not_json", "not_json", None, "not_json", "too_deep", None]


@pytest.mark.parametrize(
    ("command", "target"), [(["predict"], []), (["score"], ["-o", "out.csv"]), (["train", "--data"], ["--out", "set"])]
)
def test_a_file_that_is_not_there_is_one_line(
    call: Call, tmp_path: Path, command: list[str], target: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*command, "none.csv", *target) == Said(
        1, "", "session-scorer: none.csv: cannot be read: No such file or directory\n"
    )


@pytest.mark.parametrize(
    "text", ['{"session_id": "SECRET"}', ' [{"session_id": "SECRET"}]', '{"a": "' + "x" * 9000 + '"}']
)
def test_json_in_place_of_a_file_name_is_not_repeated(call: Call, text: str) -> None:
    said = call("predict", text)
    assert said.status == 1
    assert said.line.startswith("session-scorer: JSON in place of a file name: pipe it, echo")
    assert "SECRET" not in said.line


def test_a_set_that_is_missing_or_altered_is_one_line(call: Call, bare_set: Path, tmp_path: Path) -> None:
    missing = call("predict", "-", "--artifacts", tmp_path / "none", stdin=GAPS)
    assert missing.status == 1
    assert "rf_model.pkl: cannot be read: No such file" in missing.line
    shutil.copy(loading.shipped() / "manifest.json", bare_set)
    (bare_set / "scaler.pkl").write_bytes(b"altered")
    altered = call("predict", "-", "--artifacts", bare_set, stdin=GAPS)
    assert altered.status == 1
    assert "scaler.pkl: altered" in altered.line


def test_a_set_without_a_manifest_is_taken_when_it_is_said_so(
    call: Call, bare_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_SCORER_ARTIFACTS", str(bare_set))
    assert "model verify --write-manifest" in call("predict", "-", stdin=GAPS).line
    assert call("predict", "-", "--allow-unverified", stdin=GAPS).status == 0


def test_an_interrupt_is_status_130_without_a_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorer, "load", interrupted)
    assert call("predict", "-", stdin=GAPS) == Said(130, "", "")


def test_a_reader_that_goes_away_is_no_error_to_speak_of(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text(json.dumps([EVENT] * 2000))
    process = subprocess.Popen([PROGRAM, "predict", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    process.wait()


# -- score -----------------------------------------------------------------------------------------------------------


def test_a_file_is_scored_and_its_counts_are_said(call: Call, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("click_events\n1\nx\n2\n")
    said = call("score", source, "-o", target, "--allow-missing")
    assert (said.status, said.out) == (0, "")
    warning, scored, invalid, _ = said.err.splitlines()
    assert warning.startswith(f"warning: {source}: no column scroll_events, ")
    assert scored == f"2 rows scored in {target}; 1 invalid in {target}.rejected.jsonl"
    assert invalid == "invalid, by code and field: wrong_type click_events 1"
    assert len(target.read_text().splitlines()) == 2


def test_when_no_row_was_scored_that_is_status_1(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("[]\n")
    said = call("score", source, "-o", tmp_path / "out.csv")
    assert said.status == 1
    assert "no row was scored; 1 invalid in" in said.line
    assert said.line.endswith("; invalid, by code and field: not_an_object 1")
    source.write_text("")
    assert "is a directory: give one file" in call("score", tmp_path, "-o", tmp_path / "out.csv").line
    assert "no row was scored: there is none" in call("score", source, "-o", tmp_path / "none.csv").line


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.arrow", "in.jsonl.zst"])
def test_a_format_without_its_package_names_the_command(
    call: Call, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("arrow", "arrow_buffers", "arrow_files", "csv_files"):
        monkeypatch.delitem(sys.modules, f"scoring.tables.{module}", raising=False)
        monkeypatch.delattr(tables, module, raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    (tmp_path / name).write_bytes(b"PAR1" if name == "in.parquet" else b"ARROW1" if name == "in.arrow" else b"a,b\n")
    said = call("score", tmp_path / name, "-o", tmp_path / "out.csv")
    assert said.status == 1
    assert said.line.endswith("pip install 'session-scorer[files]'")


def test_json_lines_need_no_package(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(EVENT)}\n")
    for target in ("out.jsonl", "out.csv"):
        assert call("score", tmp_path / "in.jsonl", "-o", tmp_path / target, "--allow-missing").status == 0


# -- model -----------------------------------------------------------------------------------------------------------


def test_the_set_that_ships_verifies(call: Call, scorer: Scorer) -> None:
    said = call("model", "verify")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert [line.split(":")[0] for line in lines[:6]] == [f"ok {name}" for name in (*FILES, "manifest.json")]
    assert "warning imputed values alone meet the reason no_clicks" in said.out
    assert lines[-1] == f"ok model version {scorer.artifacts.version}"


def test_a_five_file_set_is_adopted_once(call: Call, bare_set: Path) -> None:
    refused = call("model", "verify", bare_set)
    assert (refused.status, refused.out) == (1, "")
    assert "no manifest.json" in refused.line
    adopted = call("model", "verify", bare_set, "--write-manifest")
    assert adopted.status == 0
    assert adopted.out.startswith("ok manifest.json: written\n")
    assert call("model", "verify", bare_set).status == 0
    again = call("model", "verify", bare_set, "--write-manifest")
    assert again.status == 1
    assert "already exists" in again.line


def _change_manifest(directory: Path, **changes: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_verify_warns_of_what_is_not_proven_or_cannot_be_reached(call: Call, bare_set: Path) -> None:
    call("model", "verify", bare_set, "--write-manifest")
    _change_manifest(bare_set, golden=[], thresholds={"label": 0.5, "medium": 0.45, "high": 1.5})
    said = call("model", "verify", bare_set)
    assert said.status == 0
    assert "warning manifest.json has no golden vectors" in said.out
    assert "warning High can never be reached: it begins at 1.5" in said.out
    assert "0 golden vectors" not in said.out


@pytest.mark.parametrize("form", ["--json", "--no-json"])
def test_what_a_manifest_says_does_not_steer_a_terminal(call: Call, bare_set: Path, form: str) -> None:
    call("model", "verify", bare_set, "--write-manifest")
    text = "\x1b[2J\x7f\x9b31m\u202e\u2028"
    _change_manifest(bare_set, training={"notes": [text], "measured_on": text}, versions={text: text})
    said = call("model", "show", bare_set, *([form] if form == "--json" else []))
    assert said.status == 0
    assert all(line.isprintable() for line in said.out.split("\n"))


def test_adopting_what_is_no_set_is_one_line(call: Call, bare_set: Path) -> None:
    (bare_set / "feature_cols.pkl").unlink()
    said = call("model", "verify", bare_set, "--write-manifest")
    assert said.status == 1
    assert "feature_cols.pkl: cannot be read" in said.line
    assert call("model", "verify", "--write-manifest").status == 2


def test_the_card_says_what_the_manifest_knows(call: Call, scorer: Scorer) -> None:
    manifest = scorer.artifacts.manifest
    assert manifest is not None
    said = call("model", "show")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"model version:   {manifest.model_version}\n")
    assert "thresholds:      label 1 from 0.5, Medium from 0.45, High from 0.75\n" in said.out
    assert f"training rows:   {manifest.training.rows:,}\n" in said.out
    assert "chosen by:       default values\n" in said.out
    assert f"average_precision {manifest.metrics['average_precision']:g}" in said.out
    assert "caution:         imputed values alone meet the reason no_clicks" in said.out

    card = json.loads(call("model", "show", "--json").out)
    assert (card["model_version"], card["verified"], card["metrics"]) == (
        manifest.model_version, True, manifest.metrics,
    )  # fmt: skip
    assert card["thresholds"] == {"label": 0.5, "medium": 0.45, "high": 0.75}


def test_the_card_of_a_set_without_a_manifest_claims_nothing(call: Call, bare_set: Path) -> None:
    said = call("model", "show", bare_set, "--allow-unverified")
    assert "origin:          not known: there is no manifest.json" in said.out
    assert "baseline:        none" in said.out
    assert "metrics" not in said.out


def test_a_manifest_cannot_write_to_the_terminal(call: Call, bare_set: Path) -> None:
    call("model", "verify", bare_set, "--write-manifest")
    path = bare_set / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": {"python": "\x1b[2J\x07"}}))
    assert "python ?[2J?" in call("model", "show", bare_set).out


def test_two_sets_are_compared_by_a_file(call: Call, bare_set: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(EVENT)}\n{{}}\n[]\n")
    sets = (loading.shipped(), bare_set, file, "--allow-unverified", "--allow-missing", "--allow-doubtful")
    said = call("model", "diff", *sets)
    assert said.status == 0
    assert said.err.startswith(f"warning: {file}: no column scroll_events, ")
    assert "rows scored" in said.out
    assert "invalid rows, left out" in said.out
    assert "level in A  Low in B  Medium in B  High in B\n" in said.out

    found = json.loads(call("model", "diff", *sets, "--json").out)
    assert (found["rows"], found["invalid"], found["largest_move"], found["largest"]) == (2, 1, 0, [])
    assert found["b"].startswith("unverified-")


def test_sets_that_cannot_be_compared_are_one_line(call: Call, bare_set: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("[]\n")
    shipped = loading.shipped()
    assert call("model", "diff", shipped, shipped, file).line.endswith(
        "all 1 are invalid; give a file of session events"
    )
    assert "no manifest.json" in call("model", "diff", shipped, bare_set, file).line
    assert call("model", "diff", shipped, shipped, tmp_path / "none.jsonl").status == 1
    assert call("model", "diff", shipped, shipped).status == 2


# -- train -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--alert-budget", "50"], "as in 50/h@1000/s"),
        (["--cost-missed", "5"], "both are needed, above 0"),
        (["--cost-missed", "5", "--cost-false-alert", "0"], "both are needed, above 0"),
        (["--split", "random"], "'time', 'group'"),
    ],
)
def test_a_training_asked_for_wrongly_is_wrong_usage(
    call: Call, arguments: list[str], said: str, tmp_path: Path
) -> None:
    answer = call("train", "--out", tmp_path / "set", *arguments)
    assert answer.status == 2
    assert said in " ".join(answer.err.split())


def test_a_training_says_what_was_chosen_and_measured_and_where_the_set_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(generate(1_500, 9).csv())
    forest = ["--trees", 5, "--depth", 4, "--balance", 1]
    said = call("train", "--data", tmp_path / "a.csv", "--out", tmp_path / "set", *forest, "--split", "group")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[:2] == ["trees 5, depth 4, balance 1", "measured on the sessions of a fifth of the users:"]
    assert lines[-1] == f"model version {Scorer.load(tmp_path / 'set').artifacts.version} in {tmp_path / 'set'}"
    assert any(line.startswith("average_precision 0.") for line in lines)


# -- run -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--metrics-port", "x"], "--metrics-port: expected a whole number from 0 to 65535"),
        (["-X", "security.protocol"], "-X: expected prop=value"),
        (["-X", "acks=1"], "-X acks cannot be changed"),
        (["--config", "/nowhere.toml"], "the settings file /nowhere.toml cannot be read"),
        (["--artifacts", "/nowhere"], "/nowhere/rf_model.pkl: cannot be read"),
        (["-X", "no.such=1"], 'Kafka settings: No such configuration property: "no.such"'),
    ],
)
def test_a_run_that_cannot_begin_is_one_line(call: Call, arguments: list[str], line: str) -> None:
    said = call("run", "--bootstrap-servers", "127.0.0.1:1", *arguments)
    assert (said.status, said.out) == (1, "")
    assert said.line.startswith(f"session-scorer: {line}")


def test_every_setting_is_an_option_of_run_with_its_default(call: Call) -> None:
    text = " ".join(call("run", "--help").out.split())
    for option in ("--bootstrap-servers SERVERS", "--create-topics / --no-create-topics", "-X PROP=VALUE", "--slot N"):
        assert option in text
    assert "Delivery guarantee [exactly-once]" in text
    assert "[session-results]" in text


def test_a_signal_before_the_broker_is_found_is_a_clean_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # for whose answer the start waits 10 s
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        arguments = [str(PROGRAM), "run", "--bootstrap-servers", address, "--log-level", "debug"]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert '"starting"' in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_ctrl_c_while_the_program_is_still_being_imported_is_quiet() -> None:
    interrupted = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests without it
sys.meta_path.insert(0, Interrupt())
from consumer.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")

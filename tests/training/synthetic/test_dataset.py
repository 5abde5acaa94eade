"""Generated sessions: seeded, in order, labelled by their maker, with gaps."""

import gzip
import hashlib
import itertools
import json
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from scoring.contract import MODEL_FIELDS
from scoring.decoding import decode
from training.synthetic import dataset
from training.synthetic.attacks import KINDS
from training.synthetic.dataset import LATER, STREAM, events, generate, keyed_events, main, random_labels
from training.synthetic.sessions import Sessions
from training.synthetic.world import PERSON, World


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return generate(30_000, 5)


def take(n: int, seed: int) -> list[bytes]:
    return list(itertools.islice(events(seed), n))


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert take(2_500, 3) == take(2_500, 3)
    assert generate(2_500, 3).csv() == generate(2_500, 3).csv()


def test_another_process_generates_the_same_bytes() -> None:
    program = "import itertools, sys; from training.synthetic.dataset import events; sys.stdout.buffer.writelines("
    program += "itertools.islice(events(3), 500))"
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert again.stdout == b"".join(take(500, 3))


def test_another_seed_gives_other_sessions() -> None:
    assert take(100, 3) != take(100, 4)


def test_the_first_sessions_do_not_depend_on_n() -> None:
    assert generate(3_200, 3)[:1_500].csv() == generate(1_500, 3).csv()


def test_events_are_valid_with_unique_session_ids() -> None:
    values = take(5_000, 1)
    decoded = decode(values)
    assert not decoded.invalid
    assert len(set(decoded.columns.identity_column(1))) == len(values)
    assert all(decoded.columns.identity_column(0))


def test_an_event_reveals_neither_label_nor_kind() -> None:
    for value in take(500, 1):
        assert set(json.loads(value)) <= {*MODEL_FIELDS, "user_id", "session_id"}


def test_a_table_says_last_who_made_each_session(sessions: Sessions) -> None:
    header, *rows = sessions[:2_000].csv().splitlines()
    assert header.endswith(",label,attack_kind")
    assert [row.split(",")[-1] for row in rows] == sessions.kind[:2_000].tolist()


def test_an_event_is_keyed_by_its_user() -> None:
    for key, value in itertools.islice(keyed_events(1), 200):
        assert json.loads(value)["user_id"].encode() == key


def test_time_moves_forward(sessions: Sessions) -> None:
    # local dates of two zones may cross: in one zone they may not
    here = (sessions.numbers["timezone_offset"] == 330) & (sessions.kind == PERSON) & ~np.isnat(sessions.date)
    dates = sessions.date[here]
    assert (dates[1:] >= dates[:-1]).all()
    assert dates[-1] - dates[0] > np.timedelta64(28, "D")


def test_every_day_has_its_hours(sessions: Sessions) -> None:
    hours = [datetime.fromisoformat(str(date)).hour for date in sessions.date[:3_000] if not np.isnat(date)]
    count = Counter(hours)
    assert count[20] > 5 * count[4]
    assert set(count) == set(range(24))


def test_attacks_are_rare_and_of_every_kind(sessions: Sessions) -> None:
    assert 0.02 < sessions.label.mean() < 0.05
    assert set(sessions.kind) == {PERSON, *KINDS}


def test_the_label_is_who_made_the_session(sessions: Sessions) -> None:
    assert ((sessions.label == 1) == (sessions.kind != PERSON)).all()


def test_no_flag_or_field_reveals_the_label(sessions: Sessions) -> None:
    attack = sessions.label == 1
    clicks, amount = sessions.numbers["click_events"], sessions.numbers["transaction_amount"]
    time = sessions.numbers["time_on_page"]
    for flagged in (clicks >= 30, amount > 10_000, (time == 10) | (time == 600)):
        assert flagged[~attack].any()  # honest sessions meet the rules too
        assert not flagged[attack].all()
    for name, column in sessions.numbers.items():
        inside = (column >= np.nanmin(column[~attack])) & (column <= np.nanmax(column[~attack]))
        assert (inside | np.isnan(column))[attack].mean() > 0.99, name


def test_each_kind_of_attack_overlaps_with_people(sessions: Sessions) -> None:
    keys = sessions.numbers["keyboard_events"]
    usual = np.nanmedian(keys[sessions.kind == PERSON])
    for kind in KINDS:
        assert (keys[sessions.kind == kind] >= usual).any(), kind


def test_gaps_depend_on_device_and_browser(sessions: Sessions) -> None:
    device, browser = sessions.categories["device_type"], sessions.categories["browser_info"]
    gap = {name: np.isnan(column) for name, column in sessions.numbers.items()}
    assert gap["device_motion"][device == "PC"].all()
    assert not gap["device_motion"][device == "Mobile"].all()
    assert gap["mouse_movement"][device == "Mobile"].mean() > 0.8
    assert not gap["mouse_movement"][device == "PC"].any()
    language = np.array([text is None for text in sessions.categories["language"]])
    assert language[browser == "Firefox"].mean() > 5 * language[browser == "Chrome"].mean()


def test_a_gap_is_a_missing_key_or_null() -> None:
    parsed = [json.loads(value) for value in take(2_000, 1)]
    absent = sum(name not in event for event in parsed for name in MODEL_FIELDS)
    null = sum(value is None for event in parsed for value in event.values())
    assert absent > 1_000 < null


def test_every_attack_happens_in_a_persons_account(sessions: Sessions) -> None:
    honest = set(sessions.user_id[sessions.kind == PERSON])
    for kind in KINDS:
        attacked = sessions.user_id[sessions.kind == kind]
        assert np.isin(attacked, list(honest)).all()
        assert len(set(attacked)) > 0.5 * len(attacked) ** 0.5  # and not always the same ones


def test_few_accounts_have_sessions_of_one_label_only(sessions: Sessions) -> None:
    # a shuffle of labels within users would leave such an account as it is, and teach who is attacked
    count, attacks = Counter(sessions.user_id), Counter(sessions.user_id[sessions.label == 1])
    mixed = sum(count[user] for user in attacks if attacks[user] < count[user])
    assert mixed > 0.8 * len(sessions)


def test_standard_later_and_stream_share_no_user() -> None:
    users = [set(generate(3_000, 5, world=world).user_id) for world in (World(), LATER, STREAM)]
    for one, other in itertools.combinations(users, 2):
        assert not one & other


def test_label_noise_swaps_labels_in_both_directions() -> None:
    noisy = generate(30_000, 5, world=World(label_noise=0.3))
    attack = noisy.kind != PERSON
    missed, blamed = int((attack & (noisy.label == 0)).sum()), int((~attack & (noisy.label == 1)).sum())
    assert 0.2 < missed / attack.sum() < 0.4
    assert 0.5 < blamed / missed < 2


def test_drift_makes_attackers_more_like_people() -> None:
    def median_clicks(sessions: Sessions) -> float:
        last = sessions[-15_000:]
        return float(np.nanmedian(last.numbers["click_events"][last.kind == "scripted_clicking"]))

    assert median_clicks(generate(45_000, 5, world=World(drift=0.6))) < median_clicks(generate(45_000, 5))


def test_random_labels_keep_the_count_but_no_signal() -> None:
    drawn = random_labels(20_000, 5)
    attack = drawn.kind != PERSON
    assert drawn.label.sum() == attack.sum()
    assert drawn.label[attack].mean() < 0.07
    assert not {*drawn.user_id} & {*generate(3_000, 5).user_id, *generate(3_000, 5, world=LATER).user_id}


def test_the_program_writes_the_shipped_sets(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    shipped = Path(__file__).parents[3] / "artifacts" / "datasets"
    assert sorted(path.name for path in shipped.iterdir()) == sorted(path.name for path in tmp_path.iterdir())
    assert (shipped / "SHA256SUMS").read_text() == (tmp_path / "SHA256SUMS").read_text()
    for line in (shipped / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256(gzip.decompress((shipped / f"{name}.gz").read_bytes())).hexdigest() == digest
    assert sum(path.stat().st_size for path in shipped.iterdir()) < 5_000_000


def test_written_sets_depend_on_the_seed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "SETS", {"small": lambda seed: generate(300, seed)})
    for name, seed in (("a", "8"), ("b", "8"), ("c", "9")):
        assert main([str(tmp_path / name), "--seed", seed]) == 0
    one, again, other = ((tmp_path / name / "small.csv.gz").read_bytes() for name in "abc")
    assert one == again != other
    assert gzip.decompress(one).decode() == generate(300, 8).csv()


def test_an_unwritable_directory_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "sets")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_generating_needs_nothing_beyond_the_base_install() -> None:
    program = "import sys; sys.modules.update(dict.fromkeys(('pandas', 'sklearn', 'pyarrow', 'scipy')));"
    program += "from training.synthetic import dataset, invalid_events; next(dataset.events(1)); "
    program += "next(invalid_events.invalid_samples(1))"
    subprocess.run([sys.executable, "-c", program], check=True)

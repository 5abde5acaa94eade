#!/bin/sh
# Runs each command with the lowest versions that pyproject.toml allows, in a virtual environment of its own:
#   sh tools/lowest.sh DIRECTORY
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"
"$root/.venv/bin/uv" venv -q --clear --python "$root/.venv/bin/python" lowest
VIRTUAL_ENV=lowest "$root/.venv/bin/uv" pip install -q --require-hashes -r "$root/requirements/lowest.txt"

scorer() {
  PYTHONPATH="$root" lowest/bin/python -m consumer "$@"
}

for command in run check watch demo predict score train evaluate "model diff" "dead-letters list" "config init" completion; do
  echo "$command --help"
  # shellcheck disable=SC2086 # two words are a command of a family
  scorer $command --help >/dev/null
done
PYTHONPATH="$root" lowest/bin/python -c 'import consumer.logins.google, consumer.logins.msk'
PYTHONPATH="$root" lowest/bin/python -c 'import consumer.formats.avro, consumer.formats.protobuf, consumer.formats.registry'
gunzip -c "$root/artifacts/datasets/test.csv.gz" | sed -n 1,1001p >sessions.csv
echo '{"click_events": 35}' | scorer predict -
scorer score sessions.csv -o scored.parquet
scorer score scored.parquet -o scored.csv
scorer train --data sessions.csv --out set --trees 5 --depth 3 --balance 0.5
scorer evaluate scored.parquet --artifacts set --out evaluation --allow-doubtful
scorer config show
scorer completion bash
_SESSION_SCORER_COMPLETE=complete_bash COMP_WORDS="session-scorer run --delivery" COMP_CWORD=3 scorer
scorer demo --events 200

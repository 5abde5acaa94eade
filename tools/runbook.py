"""Set the address of the runbook in the alerts and on the dashboard:

    python -m tools.runbook https://git.example.com/session-scorer/docs/runbook.md

It rewrites `runbook_url` in deploy/prometheus/rules.yml and its tests, the PrometheusRule made from it, and the links
of the dashboard's panels. Without an address it restores those that ship.
"""

import argparse
import re
import sys
from typing import Final

from deploy.grafana import dashboard
from tools.make_prometheus_rule import OBJECT, RULES, prometheus_rule

SHIPPED: Final = "docs/runbook.md"
TESTS: Final = RULES.with_name("rules_test.yml")
_URL: Final = re.compile(r"(?<=runbook_url: )\S+?(?=#\w+$)", re.MULTILINE)


def with_runbook(rules: str, url: str) -> str:
    """Return the rules with each alert's section at this address."""
    return _URL.sub(lambda _: url, rules)


def runbook_address(text: str) -> str:
    """Return the address. Raises ArgumentTypeError for what people cannot open from a notification."""
    if not re.fullmatch(r"https?://[^\s#\"']+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address: give one like https://host/runbook.md, without #")
    return text


def main() -> None:
    """Rewrite the files, or say in one line why that fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.runbook", description="Set the address of the runbook.")
    help_text = f"where docs/runbook.md is read [alerts: {SHIPPED}, dashboard: {dashboard.RUNBOOK}]"
    parser.add_argument("url", metavar="URL", nargs="?", type=runbook_address, help=help_text)
    url: str | None = parser.parse_args().url
    try:
        set_address(url)
    except OSError as error:
        sys.exit(f"runbook: {error.filename}: {error.strerror}")


def set_address(url: str | None) -> None:
    """Write the alerts, their tests, the PrometheusRule and the dashboard. Raises OSError."""
    for path in (RULES, TESTS):
        path.write_text(with_runbook(path.read_text(encoding="utf-8"), url or SHIPPED), encoding="utf-8")
    OBJECT.write_text(prometheus_rule(), encoding="utf-8")
    board = dashboard.dashboard(url or dashboard.RUNBOOK)
    dashboard.DOCUMENT.write_text(dashboard.as_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()

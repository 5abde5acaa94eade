"""Writes the PrometheusRule: `python -m tools.make_prometheus_rule`, after deploy/prometheus/rules.yml has changed.

kustomize takes no files from outside its folder, and the operator no rules files: so the rules stand there once more,
the very lines, and a test holds that.
"""

from pathlib import Path
from textwrap import indent

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
OBJECT = DEPLOY / "kubernetes" / "components" / "monitoring" / "prometheusrule.yaml"

_HEAD = """\
# Written by `python -m tools.make_prometheus_rule` from deploy/prometheus/rules.yml: change the rules there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: session-scorer
  namespace: session-scorer
  labels:
    app.kubernetes.io/name: session-scorer
spec:
"""


def prometheus_rule() -> str:
    """The object, in YAML."""
    return _HEAD + indent(RULES.read_text(encoding="utf-8"), "  ")


def main() -> None:
    OBJECT.write_text(prometheus_rule(), encoding="utf-8")


if __name__ == "__main__":
    main()

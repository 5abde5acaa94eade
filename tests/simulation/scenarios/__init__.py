"""The same scenarios on real Kafka and on the model of it: what clients observe must be the same.

`measured.json` has what real Kafka showed; `python -m tests.simulation.scenarios` measures it anew.
"""

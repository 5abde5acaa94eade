"""The real worker in a simulated world: every answer, delay, crash and rebalance is drawn from one seed."""

"""Files of sessions read in chunks of rows, for whoever scores, trains or judges."""

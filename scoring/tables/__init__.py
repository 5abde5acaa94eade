"""Judge whether a table holds session events, before its rows are scored."""

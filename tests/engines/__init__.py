"""Spark and Ray beside score_many, in an environment of their own: make engines-check."""

"""Loops compiled to machine code, and how they are compiled."""

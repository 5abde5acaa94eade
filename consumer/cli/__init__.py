"""The command line: one lazy group (main.py), and a module for each command or family of commands."""

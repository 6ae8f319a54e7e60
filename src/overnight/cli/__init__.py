"""The command line: parses options, calls commands, renders what they return. No logic."""

from overnight.cli.main import main

__all__ = ["main"]

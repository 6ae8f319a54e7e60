"""The shipped example: invented narratives and experiment files."""

"""The databases, and the only SQL."""

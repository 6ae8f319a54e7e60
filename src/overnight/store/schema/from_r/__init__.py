"""Databases of the earlier R implementation: recognised, and turned into ours."""

"""`python -m overnight` is the same as `overnight`."""

from overnight.cli import main

main()

"""`python -m packmule` is the `packmule` command."""

from packmule.cli import main

main()

"""python -m cli: the command, also where nothing is installed."""

from cli import main

main()

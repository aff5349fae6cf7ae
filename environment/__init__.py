"""Reads settings from the environment and `.env`: parsers for every kind of value, and warnings."""

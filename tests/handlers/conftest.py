"""What the tests of HTTP share beside tests/conftest.py."""

from tests.db.conftest import posting

__all__ = ["posting"]

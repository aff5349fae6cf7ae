"""What the tests of the domain share beside tests/conftest.py."""

from collections.abc import Iterator

import pytest

from db.mail import outbox
from tests.support.pages.site import Site


@pytest.fixture
def posting(site: Site) -> Iterator[Site]:
    """A site with mail set up, where what is queued stays queued: nobody delivers."""
    outbox.use(True, "members.fenwick.example")
    yield site
    outbox.use(False)

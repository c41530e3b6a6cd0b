"""The page about clients says what is tested."""

from __future__ import annotations

from tests.sdk.page import PAGE, page


def test_the_page_about_clients_is_what_is_tested() -> None:
    """After a change of the tests, `python -m tests.sdk.page` writes it."""
    assert PAGE.read_text() == page()

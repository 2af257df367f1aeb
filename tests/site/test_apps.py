"""What the site does once everything is loaded."""

import gc

from django.apps import apps

import cardocr_site


def test_from_the_start_on_garbage_is_looked_for_as_ever_but_not_in_what_is_loaded() -> None:
    of_the_tests = gc.get_threshold()
    loaded = gc.get_freeze_count()
    made = [[] for _ in range(1000)]
    try:
        gc.set_threshold(1_000_000)
        apps.get_app_config("cardocr_site").ready()
        assert gc.get_threshold() == cardocr_site.USUAL
        assert gc.get_freeze_count() >= loaded + len(made)
    finally:
        gc.set_threshold(*of_the_tests)

import gc

from django.apps import AppConfig

from cardocr_site import USUAL


class SiteConfig(AppConfig):
    name = "cardocr_site"

    def ready(self) -> None:
        """What is loaded by now stays, and is not looked through again; the threshold was raised until here."""
        gc.freeze()
        gc.set_threshold(*USUAL)

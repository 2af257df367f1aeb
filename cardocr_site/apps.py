from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "cardocr_site"

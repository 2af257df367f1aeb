from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "cardocr_site.accounts"
    label = "accounts"

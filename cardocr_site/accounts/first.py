"""The administrator of a new installation."""

import os
import secrets
from pathlib import Path

from django.conf import settings

from cardocr_site.accounts.models import User

NAME = "admin"
GROUPS, GROUP = 4, 5
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike


def password_file() -> Path:
    return Path(settings.DATA_DIR) / "initial-password"


def new_password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def make_administrator() -> str | None:
    """Make the user `admin` where there is no administrator; return the password that was generated, if one was."""
    if User.objects.filter(role=User.Role.ADMINISTRATOR).exists():
        return None
    given = settings.ADMIN_PASSWORD
    password = given or new_password()
    user = User.objects.create_superuser(NAME, password=password)
    user.must_change_password = not given
    user.save(update_fields=["must_change_password"])
    return None if given else password


def leave_in_file(password: str) -> Path:
    path = password_file()
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
    return path

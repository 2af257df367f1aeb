"""What the settings of single sign-on say: which role a group from outside brings, and who gets none by a group."""

from django.core.exceptions import ImproperlyConfigured

NONE = "none"
LADDER = ("", "viewer", "reviewer", "operator", "administrator")  # as User.Role, from the least
LONGEST = 150  # characters of a group's name


def group_roles(text: str) -> dict[str, str | None]:
    """Of `archive-admins=administrator;cataloguers=operator;readers`: the role by group, None where it brings none."""
    found: dict[str, str | None] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        group, equals, role = entry.rpartition("=")
        name = (group if equals else role).strip()
        if not name or len(name) > LONGEST:
            raise ImproperlyConfigured(
                f"CARDOCR_GROUP_ROLES: “{entry}” is not a group and its role, like cataloguers=operator."
            )
        found[name] = _role("CARDOCR_GROUP_ROLES", role) if equals else None
    return found


def default_role(text: str) -> str:
    role = _role("CARDOCR_DEFAULT_ROLE", text)
    if role == LADDER[-1]:
        raise ImproperlyConfigured(
            "CARDOCR_DEFAULT_ROLE: everybody who comes from outside would be an administrator. "
            "Name the group of those who are in CARDOCR_GROUP_ROLES."
        )
    return role


def _role(setting: str, text: str) -> str:
    role = text.strip().lower()
    role = "" if role == NONE else role
    if role not in LADDER or (not role and not text.strip()):
        words = ", ".join([NONE, *LADDER[1:]])
        raise ImproperlyConfigured(f"{setting}: “{text.strip()}” is not a role. There are {words}.")
    return role

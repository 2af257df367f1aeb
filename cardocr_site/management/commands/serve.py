import http.client
import ipaddress
import os
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.intake import store
from batches.intake.unreachable import Unreachable
from cardocr_site import locks, statics
from cardocr_site.supervisor import Child, Supervisor

ROLES = ("web", "worker")


class Command(BaseCommand):
    help = "Prepares the database, then runs the web server and the consumer together until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--only", choices=ROLES, help="run one of the two, for several machines")

    def handle(self, *args: Any, **options: Any) -> None:
        roles = [options["only"]] if options["only"] else list(ROLES)
        host, port = options["host"], options["port"]
        if "web" in roles:
            refuse_unnamed_address(host)
        try:
            with ExitStack() as stack:
                for role in roles:
                    stack.enter_context(locks.held(locks.of_role(settings.DATA_DIR, role), data_folder()))
                if "web" in roles:
                    locks.check_port(host, port)
                self.serve(roles, host, port)
        except locks.InUse as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:  # before there was anything to stop
            self.stdout.write("cardocr has stopped.")

    def serve(self, roles: list[str], host: str, port: int) -> None:
        if not os.environ.get("CARDOCR_URL"):
            os.environ["CARDOCR_URL"] = f"http://127.0.0.1:{port}"  # for the children
        call_command("prepare_database", at_start=True, verbosity=1, stdout=self.stdout, stderr=self.stderr)
        self.look_at_scans()
        children = []
        if "web" in roles:
            statics.collect()
            children.append(Child("web process", ("cardocr_site.web", host, str(port))))
        if "worker" in roles:
            children.append(Child("consumer", ("cardocr_site.consumer",)))
        greeting = Greeting(self, host, port) if "web" in roles else None
        supervisor = Supervisor(children, tick=greeting.tick if greeting else lambda: None)
        supervisor.run()
        self.stdout.write("cardocr has stopped.")

    def look_at_scans(self) -> None:
        """What only a person can mend is refused; an object storage that comes up later than we do is waited for."""
        if not settings.FILES_URL:
            return
        try:
            store.probe()
        except Unreachable as error:
            if error.lasting:
                raise CommandError(f"{error.message} See CARDOCR_FILES_… in docs/operating.md.") from None
            self.stderr.write(f"{error.message} Scans come and are read once it does.")


class Greeting:
    """Prints the address, once, when the first page is really there."""

    PAGE = "accounts/login/"
    PATIENCE = 60.0

    def __init__(self, command: BaseCommand, host: str, port: int) -> None:
        self.command = command
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        self.port = port
        self.url = os.environ["CARDOCR_URL"].split(",")[0].strip()
        self.began = self.asked = time.monotonic()
        self.done = self.warned = False

    def tick(self) -> None:
        now = time.monotonic()
        if self.done or now - self.asked < min(1.0, 0.2 + (now - self.began) / 20):
            return
        self.asked = now
        if self.answers():
            self.done = True
            self.command.stdout.write(f"cardocr is ready: {self.url}   (Ctrl-C stops it)")
            self.command.stdout.flush()
        elif not self.warned and now - self.began > self.PATIENCE:
            self.warned = True
            self.command.stderr.write(
                f"The web process has not answered for {self.PATIENCE:.0f} s; see the lines above."
            )

    def answers(self) -> bool:
        public = urlsplit(self.url)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            headers = {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}
            connection.request("GET", f"{public.path.rstrip('/')}/{self.PAGE}", headers=headers)
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def data_folder() -> str:
    return f"The data folder {settings.DATA_DIR}"


def refuse_unnamed_address(host: str) -> None:
    """Without CARDOCR_URL nobody knows which host names, cookies and origins are right. Debug mode is for here."""
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if settings.DEBUG and not loopback:
        raise CommandError(
            f"CARDOCR_DEBUG is on: error pages would show settings and data to whoever reaches {host}. Remove it, or "
            "listen on 127.0.0.1."
        )
    if not loopback and not os.environ.get("CARDOCR_URL"):
        raise CommandError(
            f"Listening on {host} needs CARDOCR_URL: the address by which people reach cardocr, "
            "for example CARDOCR_URL=https://cards.example.org. It decides allowed hosts, cookies and origins."
        )

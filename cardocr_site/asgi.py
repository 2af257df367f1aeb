import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
django.setup(set_prefix=False)

from batches.routing import websocket_urlpatterns  # noqa: E402  (models load after Django is set up)
from cardocr_site.handler import Handler  # noqa: E402
from cardocr_site.origins import OurPagesOnly  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": Handler(),
        # Who it is, the consumers ask themselves, and again later.
        "websocket": OurPagesOnly(SessionMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)

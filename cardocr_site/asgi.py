import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
django_application = get_asgi_application()

from batches.routing import websocket_urlpatterns  # noqa: E402  (models load after Django is set up)
from cardocr_site.origins import OurPagesOnly  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": OurPagesOnly(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)

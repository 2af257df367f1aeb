from channels.security.websocket import WebsocketDenier
from django.urls import URLPattern, path, re_path

from batches.api.sockets import ProgramConsumer
from batches.live.consumers import BatchConsumer, CollectionConsumer, ListConsumer

websocket_urlpatterns: list[URLPattern] = [
    path("ws/collections/", CollectionConsumer.as_asgi()),
    path("ws/batches/", ListConsumer.as_asgi()),
    path("ws/batches/<int:batch_id>/", BatchConsumer.as_asgi()),
    path("api/v1/ws/task/<str:batch_id>", ProgramConsumer.as_asgi()),
    re_path("", WebsocketDenier.as_asgi()),  # otherwise each wrong address is an error in the log
]

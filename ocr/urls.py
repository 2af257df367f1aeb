from django.urls import path

from ocr import views

urlpatterns = [
    path("engine/", views.profile_engine, name="profile_engine"),
    path("keys/<int:engine_id>/", views.profile_key, name="profile_key"),
]

from django.urls import path

from templates_app import views

urlpatterns = [
    path("", views.template_list, name="template_list"),
    path("new/", views.template_new, name="template_new"),
    path("<int:pk>/", views.template_detail, name="template_detail"),
    path("<int:pk>/delete/", views.template_delete, name="template_delete"),
]

from django.urls import path

from templates_app import pattern_views, version_views, views

urlpatterns = [
    path("", views.template_list, name="template_list"),
    path("new/", views.template_new, name="template_new"),
    path("pattern/<slug:key>/", pattern_views.pattern_test, name="pattern_test"),
    path("import/", version_views.template_import, name="template_import"),
    path("<int:pk>/export/", version_views.template_export, name="template_export"),
    path("<int:pk>/compare/", version_views.template_compare, name="template_compare"),
    path("<int:pk>/back/<int:number>/", version_views.template_back, name="template_back"),
    path("<int:pk>/prompt/", version_views.template_prompt, name="template_prompt"),
    path("<int:pk>/", views.template_detail, name="template_detail"),
    path("<int:pk>/edit/", views.template_edit, name="template_edit"),
    path("<int:pk>/share/", views.template_share, name="template_share"),
    path("<int:pk>/instruction/", views.template_instruction, name="template_instruction"),
    path("<int:pk>/delete/", views.template_delete, name="template_delete"),
    path("<int:pk>/fields/add/", views.template_field_add, name="template_field_add"),
    path("<int:pk>/fields/restore/", views.template_field_restore, name="template_field_restore"),
    path("<int:pk>/fields/row/<slug:key>/", views.template_field_save, name="template_field_save"),
    path("<int:pk>/fields/row/<slug:key>/move/", views.template_field_move, name="template_field_move"),
    path("<int:pk>/fields/row/<slug:key>/remove/", views.template_field_remove, name="template_field_remove"),
]

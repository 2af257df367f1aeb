from django.contrib import admin

from templates_app.models import Field, FieldTemplate, FieldTemplateVersion


class FieldInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Field
    fields = ("position", "key", "label", "type", "required", "active", "instruction")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(FieldTemplate)
class FieldTemplateAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "owner", "stay_inside", "everybody", "shipped", "updated_at")
    list_filter = ("everybody", "shipped")
    search_fields = ("name", "description")
    list_select_related = ("owner",)
    fields = ("name", "description", "owner", "stay_inside", "everybody")

    def save_model(self, request: object, obj: FieldTemplate, form: object, change: bool) -> None:
        obj.save()
        if not change:
            obj.versions.create(number=1)  # a template has at least one version


@admin.register(FieldTemplateVersion)
class FieldTemplateVersionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at: batches point at versions, so they are changed on the templates' own pages only."""

    list_display = ("template", "number", "created_by", "created_at")
    search_fields = ("template__name",)
    list_select_related = ("template", "created_by")
    fields = ("template", "number", "instruction", "created_by")
    readonly_fields = fields
    inlines = (FieldInline,)

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False

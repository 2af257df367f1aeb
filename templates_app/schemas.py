"""Fields and templates as programs send and get them."""

from datetime import datetime
from typing import Any, Literal

from ninja import Field, Schema

from cardocr_site.contract import Closed, Name, Strict, Text
from ocr.fields import FieldType
from templates_app.sharing import Everybody


class HintsSchema(Schema):
    """Help for the local engine."""

    aliases: list[str] = []
    keywords: list[str] = []
    position: Literal["top_left", "first", "last"] | None = None
    avoid: list[str] = []
    until: str | None = None


class HintsIn(Closed):
    """Help for the local engine."""

    aliases: list[Text] = []
    keywords: list[Text] = []
    position: Literal["top_left", "first", "last"] | None = None
    avoid: list[Text] = []
    until: Text | None = None


class FieldIn(Closed):
    """Without a type it is guessed from the label; without a key one is made."""

    key: Text | None = None
    label: Name = Field(max_length=120, examples=["Author"])
    instruction: Text = Field("", max_length=5000)
    type: FieldType | None = None
    choices: list[Text] = []
    pattern: Text | None = Field(None, max_length=200)
    required: bool = False
    active: bool = True
    example: Text | None = Field(None, max_length=300)
    threshold: float | None = Field(None, ge=0, le=1)
    hints: HintsIn = HintsIn()
    open_list: bool = False
    spellings: dict[str, list[Text]] = {}


class FieldOut(Schema):
    key: str
    label: str
    instruction: str
    type: FieldType
    choices: list[str]
    pattern: str | None
    required: bool
    active: bool
    example: str | None
    threshold: float | None
    hints: HintsSchema
    open_list: bool = False
    spellings: dict[str, list[str]] = {}


class TemplateOut(Schema):
    id: int
    name: str
    description: str
    owner: str | None
    everybody: Everybody
    stay_inside: bool
    version: int
    version_id: int
    instruction: str
    fields: list[FieldOut]
    created_at: datetime
    updated_at: datetime


class TemplateIn(Closed):
    name: Name = Field(max_length=120, examples=["Music cards"])
    description: Text = Field("", max_length=5000)
    instruction: Text = Field("", max_length=20_000)
    stay_inside: bool = Field(False, description="These cards must not leave the house.")
    everybody: Everybody | None = Field(None, description="What those with a role may do; null: as it is.")
    fields: list[FieldIn] = Field(max_length=100)


class TemplateFile(Schema):
    """A template as another installation reads it."""

    name: Text = Field(min_length=1, max_length=120)
    description: Text = ""
    instruction: Text = ""
    stay_inside: bool = False
    scans: dict[str, Any] = {}
    fields: list[dict[str, Any]]


class TemplateFileIn(Strict, TemplateFile):
    """With at least one field. Keys that this version does not know are passed over."""

    fields: list[dict[str, Any]] = Field(min_length=1, max_length=100)

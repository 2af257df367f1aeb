"""What the model is told, shown to people; and the one placeholder of an instruction."""

import pytest
from django.test import Client
from django.urls import reverse

from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import versions
from templates_app.forms import InstructionForm


@pytest.mark.parametrize("text", ["", "Norwegian.", "First: {{ fields }} Then: no.", "{{fields}}", "{ a } {% b %}"])
def test_an_instruction_is_text_with_one_placeholder(text: str) -> None:
    assert InstructionForm({"instruction": text}).is_valid()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ field }}", "“{{ field }}” means nothing here"),
        ("{{ fields }} {{ fields }}", "Write {{ fields }} once"),
        ("{{ }}", "Write {{ fields }} once"),
    ],
)
def test_another_placeholder_is_a_slip_and_is_said(text: str, said: str) -> None:
    form = InstructionForm({"instruction": text})
    assert said in str(form.errors["instruction"][0])


def test_the_prompt_of_a_batch_is_shown_as_text(client: Client, batch: Batch, user: User) -> None:
    client.force_login(user)
    address = reverse("batch_prompt", args=[batch.pk])
    assert "no AI model" in client.get(address).text
    engine = Engine.objects.create(name="box", kind="openai_compatible", address="http://127.0.0.1:1/v1", model="m")
    Batch.objects.update(engine=engine, instruction="<script>alert(1)</script> {{ fields }}")
    page = client.get(address).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Fields:" in page
    assert "<script>alert(1)" not in page
    part = client.get(address, headers={"HX-Request": "true", "HX-Target": "prompt"}).text
    assert part.lstrip().startswith('<div id="prompt"')
    Batch.objects.update(prompt="As it was frozen.")
    assert "As it was frozen." in client.get(address).text


def test_so_is_that_of_a_template(client: Client, user: User) -> None:
    client.force_login(user)
    specs = [FieldSpec("author", "Author"), FieldSpec("old", "Old", active=False)]
    template = versions.create(user, "Cards", specs, instruction="Norwegian.")
    page = client.get(reverse("template_prompt", args=[template.pk])).text
    assert "About these cards:\nNorwegian." in page
    assert "Author (text)" in page
    assert "Old (text)" not in page
    assert (
        reverse("template_prompt", args=[template.pk])
        in client.get(f"/templates/{template.pk}/?beside=instructions").text
    )

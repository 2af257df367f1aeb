from typing import Any

import pytest
from django.test import Client

from batches.intake import adding, derive, looking
from batches.models import Batch, Sheet
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from tests.batches.intake import pictures
from tests.batches.intake.test_sheets import DARK, drawn, laid


@pytest.fixture
def sheets(batch: Batch) -> list[Sheet]:
    """Two sheets of two cards, and a page with one, all looked at."""
    batch.options = {"sheets": True, "rotation": 0}
    batch.save()
    for name, number in (("1.jpg", 2), ("2.jpg", 2), ("3.jpg", 1)):
        image = laid([drawn((450, 280))] * number, 1, DARK)[0]
        derive.prepare(adding.add_file(batch, name, [pictures.encoded(image)]).cards[0])
    while looking.look(batch.pk):
        pass
    return list(batch.sheets.order_by("pk"))


def form(regions: list[list[Any]], **more: Any) -> dict[str, Any]:
    sides = zip(*regions, strict=True)
    return {name: list(values) for name, values in zip(("left", "top", "width", "height"), sides, strict=True)} | more


def at(batch: Batch, path: str = "") -> str:
    return f"/batches/{batch.pk}/sheets/{path}"


def test_the_scans_lead_to_it_and_looking_is_switched_on_there(signed_in: Client, batch: Batch) -> None:
    adding.add_file(batch, "1.jpg", [pictures.jpeg()])
    assert at(batch) in signed_in.get(f"/batches/{batch.pk}/upload/").text
    assert 'id="look"' in signed_in.get(at(batch)).text
    signed_in.post(at(batch, "look/"))
    assert Batch.objects.get().option("sheets")
    assert "1 page is still to be looked at" in signed_in.get(at(batch)).text
    signed_in.post(at(batch, "look/"), {"stop": "1"})
    assert not Batch.objects.get().option("sheets")


def test_each_sheet_is_shown_with_what_was_found(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    page = signed_in.get(at(batch)).text
    assert page.count("2 cards found") == 2
    left, top, width, height = sheets[0].found[0]
    assert f'<rect x="{left}" y="{top}" width="{width}" height="{height}"/>' in page
    assert "3.jpg" not in page
    assert "one card" in signed_in.get(at(batch, "?all=1")).text


def test_the_list_asks_as_often_for_many_as_for_few(
    signed_in: Client, batch: Batch, sheets: list[Sheet], django_assert_max_num_queries: Any
) -> None:
    Sheet.objects.bulk_create(Sheet(batch=batch, width=9, height=9, found=[[0, 0, 4, 4]] * 2) for _ in range(20))
    with django_assert_max_num_queries(16):
        signed_in.get(at(batch))


def test_all_are_cut_and_made_whole_again(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    assert "2 sheets are cut." in signed_in.post(at(batch, "cut/"), follow=True).text
    assert Batch.objects.get().total == 5
    assert "2 sheets are whole again." in signed_in.post(at(batch, "whole/"), follow=True).text
    assert Batch.objects.get().total == 3


def test_the_cuts_of_a_sheet_stand_in_its_form(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    page = signed_in.get(at(batch, f"{sheets[0].pk}/")).text
    for side in sheets[0].found[1]:
        assert f'value="{side}"' in page
    assert "Cut this one and 1 that looks alike" in page
    image = signed_in.get(at(batch, f"{sheets[0].pk}/image/page/"))
    assert (image.status_code, image["Content-Type"]) == (200, "image/jpeg")


def test_a_sheet_is_cut_as_the_form_says(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    one, other = sheets[0].found
    moved = [[one[0] + 5, *one[1:]], other, ["", "", "", ""]]
    assert signed_in.post(at(batch, f"{sheets[0].pk}/"), form(moved, do="cut")).status_code == 302
    assert [card.crop for card in sheets[0].cards.order_by("cut")] == [[one[0] + 5, *one[1:]], other]
    signed_in.post(at(batch, f"{sheets[0].pk}/"), form([one, other], do="cut", remove="1"))
    assert [card.crop for card in sheets[0].cards.all()] == [other]
    signed_in.post(at(batch, f"{sheets[0].pk}/"), {"do": "whole"})
    assert sheets[0].cards.get().crop is None


def test_a_browser_keeps_no_picture_under_the_address_of_another(
    signed_in: Client, batch: Batch, sheets: list[Sheet]
) -> None:
    signed_in.post(at(batch, f"{sheets[0].pk}/"), form(sheets[0].found, do="cut"))
    card = sheets[0].cards.select_related("batch").order_by("cut")[0]
    derive.prepare(card)
    image = f"/batches/{batch.pk}/cards/{card.pk}/image/page/"
    assert "immutable" in signed_in.get(f"{image}?{card.look}")["Cache-Control"]
    assert signed_in.get(f"{image}?r=0")["Cache-Control"] == "private, no-cache"  # so the whole page was shown


def test_whoever_starts_is_warned_of_sheets_that_are_still_whole(
    signed_in: Client, batch: Batch, sheets: list[Sheet]
) -> None:
    confirm = f"/batches/{batch.pk}/confirm/"
    page = signed_in.get(confirm).text
    assert "Several cards were found on 2 sheets that are still whole." in page
    assert f'href="{at(batch)}"' in page
    assert "still being looked for" not in page
    signed_in.post(at(batch, f"{sheets[0].pk}/"), form(sheets[0].found, do="cut"))
    assert "Several cards were found on 1 sheet that is still whole." in signed_in.get(confirm).text
    signed_in.post(at(batch, "cut/"))
    assert "still whole" not in signed_in.get(confirm).text
    derive.prepare(adding.add_file(batch, "4.jpg", [pictures.jpeg()]).cards[0])
    assert "On 1 page, cards are still being looked for." in signed_in.get(confirm).text
    signed_in.post(at(batch, "whole/"))
    signed_in.post(at(batch, "look/"), {"stop": "1"})  # nobody wants sheets to be cut
    assert "still whole" not in signed_in.get(confirm).text


def test_sheets_that_look_alike_follow(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    signed_in.post(at(batch, f"{sheets[0].pk}/"), form(sheets[0].found, do="alike"))
    assert [sheet.cards.count() for sheet in sheets] == [2, 2, 1]


def test_another_cut_is_added_without_javascript(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    page = signed_in.post(at(batch, f"{sheets[0].pk}/"), form(sheets[0].found, do="add")).text
    assert page.count('name="left"') == 4  # and the template's
    assert Batch.objects.get().total == 3


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ([["x", 0, 100, 100]], "Cut 1 needs four whole numbers."),
        ([[0, 0, 100, 100], [0, 0, "²", 100]], "Cut 2 needs four whole numbers."),
        ([[0, 0, 99999, 100]], "Cut 1 reaches beyond the sheet."),
        ([["", "", "", ""]], "Name at least one cut."),
    ],
)
def test_what_cannot_be_cut_is_told_beside_what_was_typed(
    signed_in: Client, batch: Batch, sheets: list[Sheet], regions: list[list[Any]], said: str
) -> None:
    response = signed_in.post(at(batch, f"{sheets[0].pk}/"), form(regions, do="cut"))
    assert response.status_code == 422
    assert said in response.text
    assert Batch.objects.get().total == 3


def test_a_started_batch_has_no_cuts_to_move(signed_in: Client, batch: Batch, sheets: list[Sheet]) -> None:
    Batch.objects.update(status=BatchStatus.QUEUED)
    for path in ("", f"{sheets[0].pk}/"):
        assert signed_in.get(at(batch, path)).status_code == 302
    signed_in.post(at(batch, "cut/"))
    assert Batch.objects.get().total == 3


@pytest.mark.parametrize("path", ["", "look/", "cut/", "whole/", "{sheet}/", "{sheet}/image/page/"])
def test_others_reach_nothing_of_it(
    client: Client, other_user: User, batch: Batch, sheets: list[Sheet], path: str
) -> None:
    where = at(batch, path.format(sheet=sheets[0].pk))
    assert client.post(where).status_code in {302, 405}
    client.force_login(other_user)
    Batch.objects.update(everybody="none")
    assert client.get(where).status_code in {404, 405}
    assert client.post(where, {"do": "cut"}).status_code in {404, 405}
    assert Batch.objects.get().total == 3


def test_a_sheet_of_another_batch_is_not_found_under_this_one(
    signed_in: Client, user: User, sheets: list[Sheet]
) -> None:
    other = Batch.objects.create(owner=user, name="other")
    assert signed_in.get(at(other, f"{sheets[0].pk}/")).status_code == 404
    assert signed_in.get(at(other, f"{sheets[0].pk}/image/page/")).status_code == 404


def test_sheets_stand_in_the_order_of_their_names(signed_in: Client, batch: Batch) -> None:
    made = {
        name: Sheet.objects.create(batch=batch, original_name=name, width=9, height=9, found=[[0, 0, 4, 4]] * 2)
        for name in ("3.jpg", "10.jpg", "2.jpg")
    }
    assert [sheet.original_name for sheet in signed_in.get(at(batch)).context["sheets"]] == ["2.jpg", "3.jpg", "10.jpg"]
    shown = signed_in.get(at(batch, f"{made['3.jpg'].pk}/")).context
    assert (shown["previous"], shown["next"]) == (made["2.jpg"].pk, made["10.jpg"].pk)
    assert signed_in.get(at(batch, f"{made['10.jpg'].pk}/")).context["next"] is None

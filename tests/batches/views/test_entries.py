from django.test import Client

from batches.models import Batch, Card, CardResult
from cardocr_site.accounts.models import User
from tests.batches.actions.test_entries import now, several

__all__ = ["several"]


def address(card: Card, end: str = "") -> str:
    return f"/batches/{card.batch_id}/cards/{card.pk}/{end}"


def test_the_card_page_shows_each_entry_with_what_can_be_done(signed_in: Client, several: Card) -> None:
    page = signed_in.get(address(several)).text
    for words in ("Entry 2", "Sinding", "Entry is right", "Take out", "Add an entry", "entries/1/"):
        assert words in page


def test_an_entry_has_a_form_of_its_own(signed_in: Client, several: Card) -> None:
    where = address(several, "entries/1/?filter=check")
    page = signed_in.get(where).text
    assert "Card 1, entry 2" in page
    form = {"version": several.version, "value.author": "Sinding, Christian", "value.title": "Rustle", "value.year": ""}
    answer = signed_in.post(where, form)
    assert answer["Location"] == address(several, "?filter=check#card-entries")
    assert now(several) == ["Grieg", "Sinding, Christian"]
    late = signed_in.post(where, form | {"value.author": "Typed late"})
    assert late.status_code == 409
    assert "Typed late" in late.text
    assert "Sinding, Christian" in late.text
    assert now(several) == ["Grieg", "Sinding, Christian"]


def test_buttons_move_check_take_out_and_bring_back(signed_in: Client, several: Card) -> None:
    for act, authors in (
        ("right", ["Grieg", "Sinding"]),
        ("up", ["Sinding", "Grieg"]),
        ("out", ["Sinding"]),
        ("back", ["Sinding", "Grieg"]),
    ):
        version = Card.objects.get().version
        assert signed_in.post(address(several, f"entries/1/{act}/?version={version}")).status_code == 302
        assert now(several) == authors, act
    assert signed_in.post(address(several, "entries/1/explode/")).status_code == 404
    stale = signed_in.post(address(several, "entries/1/up/?version=0"), follow=True)
    assert "Somebody else has just changed this card" in stale.text


def test_a_new_entry_opens_its_form(signed_in: Client, several: Card) -> None:
    answer = signed_in.post(address(several, f"entries/add/?version={several.version}&from=filter%3Dcheck"))
    assert answer["Location"] == address(several, "entries/2/?filter=check")
    assert signed_in.get(answer["Location"]).status_code == 200


def test_nobody_changes_the_entries_of_another_ones_batch(client: Client, viewer: User, several: Card) -> None:
    client.force_login(viewer)
    for end in ("entries/add/", "entries/1/up/", "entries/1/"):
        assert client.post(address(several, end)).status_code == 404
    Batch.objects.update(everybody="none")
    assert client.get(address(several, "entries/1/")).status_code == 404
    assert CardResult.objects.get().arranged is None


GRID = {"HX-Request": "true", "HX-Current-URL": "http://testserver/batches/1/cards/?filter=check"}


def test_in_the_table_each_further_entry_is_a_row_under_its_card(signed_in: Client, several: Card) -> None:
    page = signed_in.get(f"/batches/{several.batch_id}/cards/").text
    assert page.count(f'<tr class="under" data-of="card-{several.pk}">') == 1
    assert page.index(f'id="card-{several.pk}"') < page.index('class="under"') < page.index("Sinding")
    row = page[page.index('<tr class="under"') :]
    row = row[: row.index("</tr>")]
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert row.count("<td") + row.count("<th") == head.count("<th ")
    for act in ("check", "up", "out", "edit"):
        assert f'id="entry-{several.pk}-1-{act}"' in row
    assert f'id="entry-{several.pk}-add"' in row
    assert "Sinding" not in page[: page.index('class="under"')], "not also in the cells of the card"


def test_acts_of_the_table_answer_with_the_card_and_its_entries(signed_in: Client, several: Card) -> None:
    for act, authors in (("right", ["Grieg", "Sinding"]), ("up", ["Sinding", "Grieg"]), ("out", ["Sinding"])):
        where = address(several, f"entries/1/{act}/?version={Card.objects.get().version}")
        answer = signed_in.post(where, headers=GRID)
        assert answer.status_code == 200
        assert answer.text.lstrip().startswith(f'<tr id="card-{several.pk}"')
        assert answer.text.count('class="under"') == len(authors) - 1
        assert now(several) == authors, act
    stale = signed_in.post(address(several, "entries/1/back/?version=0"), headers=GRID)
    assert stale.status_code == 409
    assert "Somebody else has just changed this card" in stale.headers["HX-Trigger"]


def test_without_scripts_one_comes_back_to_the_table(signed_in: Client, several: Card) -> None:
    table = f"/batches/{several.batch_id}/cards/?filter=check#card-{several.pk}"
    right = address(several, f"entries/1/right/?version={several.version}&grid=1&filter=check")
    assert signed_in.post(right)["Location"] == table
    form = signed_in.get(address(several, "entries/1/?grid=1&filter=check")).text
    assert 'entries/1/?grid=1&amp;filter=check"' in form
    assert "Back to the table" in form
    version = Card.objects.get().version
    saved = signed_in.post(
        address(several, "entries/1/?grid=1&filter=check"), {"version": version, "value.author": "S."}
    )
    assert saved["Location"] == table
    version = Card.objects.get().version
    added = signed_in.post(address(several, f"entries/add/?version={version}&grid=1&from=filter%3Dcheck"))
    assert added["Location"] == address(several, "entries/2/?filter=check&grid=1")


def test_who_may_only_look_gets_the_rows_without_acts(client: Client, viewer: User, several: Card) -> None:
    client.force_login(viewer)
    page = client.get(f"/batches/{several.batch_id}/cards/").text
    assert 'class="under"' in page
    assert "entries/1/right" not in page

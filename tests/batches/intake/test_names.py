import pytest

from batches.intake import names


@pytest.mark.parametrize(
    ("sent", "stem"),
    [
        ("Drawer 12/Card 7.JPG", "Card-7"),
        ("C:\\scans\\0007.tif", "0007"),
        ("../../etc/passwd", "passwd"),
        ("..", "card"),
        ("", "card"),
        ("\0\0", "card"),
        (".htaccess", "htaccess"),
        ("letter.2020", "letter.2020"),
        ("a....b.png", "a.b"),
        ("con.jpg", "con_"),
        ("LPT1.tar.png", "LPT1_.tar"),
        ("ca\u0301rd.jpeg", "cárd"),
        ("Größe – 3*4.png", "Größe-3-4"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("-rf --no-preserve.jpg", "rf-no-preserve"),
        ("カード.png", "カード"),
        ("\ud800.png", "card"),
    ],
)
def test_a_stored_name_is_harmless(sent: str, stem: str):
    assert names.stem(sent) == stem


def test_a_long_name_is_cut_to_whole_letters():
    source, cards = names.stored("ø" * 400 + ".tif", ".tif", 2000)
    assert max(len(name.encode()) for name in (source, *cards)) <= names.MAX_BYTES
    assert set(source.removesuffix(".tif")) == {"ø"}


def test_a_repeat_gets_a_number():
    assert names.stored("Card.JPG", ".jpg", 1, 2) == ("Card-2.jpg", ["Card-2.jpg"])


def test_pages_are_numbered():
    assert names.stored("ledger.tiff", ".tif", 2) == ("ledger.tif", ["ledger-p001.tif", "ledger-p002.tif"])


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Box 1\\./Card\n7.jpg", "Box 1/Card7.jpg"),
        ("/../a/../b.jpg", "a/b.jpg"),
        ("a\u202eb.jpg", "ab.jpg"),
        ("x" * 600 + ".jpg", "x" * 496 + ".jpg"),
        ("", ""),
    ],
)
def test_the_name_shown_keeps_the_folder_and_nothing_that_harms(sent: str, shown: str):
    assert names.shown(sent) == shown


def test_two_comes_before_ten_folder_by_folder():
    sent = ["b/1.jpg", "a/10.jpg", "A/2.jpg", "a/1 b.jpg", "a 2/1.jpg", "Zoë.jpg", "10.jpg", "9.jpg"]
    assert sorted(sent, key=names.natural) == [
        "9.jpg", "10.jpg", "a/1 b.jpg", "A/2.jpg", "a/10.jpg", "a 2/1.jpg", "b/1.jpg", "Zoë.jpg",
    ]  # fmt: skip


def test_digits_that_are_no_numbers_do_not_stop_the_order() -> None:
    sent = ["٢.jpg", "1²3.jpg", "1/²", "²", "10.jpg", "2.jpg"]
    assert sorted(sent, key=names.natural) == ["1/²", "1²3.jpg", "2.jpg", "10.jpg", "²", "٢.jpg"]

"""The sample cards that are shipped."""

import json

from PIL import Image

from batches.intake import adding

TRUTH = json.loads((adding.SAMPLES / "truth.json").read_text(encoding="utf-8"))


def test_each_sample_is_small_and_its_truth_known():
    cards = {card["file"]: card for card in TRUTH["cards"]}
    files = sorted(adding.SAMPLES.glob("*.jpg"))
    assert [path.name for path in files] == sorted(cards)
    assert len(files) == 12
    for path in files:
        assert path.stat().st_size <= 60_000
        assert set(cards[path.name]["fields"]) == set(TRUTH["labels"])
        with Image.open(path) as image:
            image.load()
            lies = image.height > image.width
        assert lies == (cards[path.name]["rotate_cw_to_upright"] in {90, 270})


def test_one_is_turned_one_blank_and_one_struck_through():
    cards = TRUTH["cards"]
    assert len([card for card in cards if card["rotate_cw_to_upright"]]) == 1
    assert len([card for card in cards if not any(card["fields"].values())]) == 1
    assert len([card for card in cards if card["struck"]]) == 1
    assert {card["kind"] for card in cards} == {"typed", "printed", "handwriting", "blank"}

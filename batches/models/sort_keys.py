"""What both databases take for the keys that cards are sorted and searched by."""

TEXT_AFTER_NUMBERS = 1e300  # `number` of what is no number
SURE = ""  # the key under which a card's confidence is sorted; no field has it
LONGEST = 80  # characters of a value that it is sorted by
FOLDED = "cardocr_folded"  # fold(), as a function of the database
OF_TEXT = {"batches_cardresult": ("search", "search"), "batches_card": ("folded_name", "original_name")}  # folded

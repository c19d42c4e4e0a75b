"""How does the `tokenizers` library read the sample texts? Writes `recorded.json` beside this file.

Needs `pip install tokenizers`. The vocabulary is our own and small: letters, marks, a few pieces.
"""

import json
import string
from pathlib import Path

from tokenizers import BertWordPieceTokenizer

HERE = Path(__file__).parent

TEXTS = [
    "Ada Byron flew to Lisbon.",
    "unaffable, unwanted; un-wanted",
    "Jürgen Groß ist in MÜNCHEN",
    "Zoe\u0308 e\u0301te\u0301 \u1e9e \u0130stanbul \u212b",
    "O'Brien\u2019s Jean-Luc \u201cquoted\u201d \u2014 dash\u2026",
    "a\u200bd\u200da \u00adb\ufeffc\u0000d\ufffde\u0085f\u007f",
    "tabs\tand\r\nlines\u00a0no\u2003break\u2028separator\u3000wide",
    "\u6771\u4eac\u90fd Tokyo\u5927\u962a \u3042\u3044 \uac00\ub098 \uff21\uff22",
    "$100 \u20ac5 <a@b.c> x_y #1 + ~ ^ `",
    "x" * 100 + " " + "y" * 101,
    "\u037e \u0387 \u2126 \ufb01 \u01c4 \u0345 \u0301",
    "\U0001f600 \U0001d400 \U00020000 \U0002f800 e\u20dd",
    "", " ", "\u200b", "\u0301a",
]


def vocabulary() -> list[str]:
    letters = string.ascii_letters + string.digits + "äöüßéñçμωあいｱ"
    jamo = "\u1100\u1161\u1102\u1102\u1161"
    words = ["un", "##aff", "##able", "##want", "##ed", "ada", "by", "##ron", "lis", "##bon", "東", "京", "##th"]
    marks = string.punctuation + "’“”—…€·;"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    pieces += [*letters, *jamo, *("##" + letter for letter in letters + jamo), *marks]
    return list(dict.fromkeys(pieces))


def main() -> None:
    pieces = vocabulary()
    numbers = {piece: number for number, piece in enumerate(pieces)}
    recorded = []
    for plain in (True, False):
        tokenizer = BertWordPieceTokenizer(numbers, lowercase=plain)
        for text in TEXTS:
            read = tokenizer.encode(text, add_special_tokens=False)
            places = [[len(text[:at].encode()) for at in place] for place in read.offsets]
            recorded.append({"plain": plain, "text": text, "pieces": read.ids, "places": places})
    lines = ",\n".join(json.dumps(row) for row in recorded)
    vocabulary_line = json.dumps(pieces)
    (HERE / "recorded.json").write_text(f'{{"vocabulary": {vocabulary_line},\n"readings": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()

"""Writes the price table that comes with the program: crates/bartizan-core/src/limit/prices.json.

    pip install genai-prices && python3 xtask/prices.py OLD.json [MODEL …] > prices.json

Taken are the models of the old table and those that are named, as they cost on the day that this is
run: standard rates, and what other service tiers cost (batch, fast, flex, priority). Where pictures cost
more than other tokens, all tokens cost that: answers do not always tell them apart. What the package does
not have is under OTHERS, with its source.
"""

import datetime
import importlib.metadata
import json
import sys

from genai_prices.data import providers
from genai_prices.types import TieredPrices

RATES = {
    "input_mtok": "input_per_million",
    "output_mtok": "output_per_million",
    "cache_read_mtok": "cached_input_per_million",
    "cache_write_mtok": "cache_write_per_million",
    "cache_write_1h_mtok": "cache_write_1h_per_million",
    "input_audio_mtok": "input_audio_per_million",
    "output_audio_mtok": "output_audio_per_million",
}
# What is dearer than the same of text.
PICTURES = {
    "input_mtok": "input_image_mtok",
    "output_mtok": "output_image_mtok",
    "cache_read_mtok": "cache_image_read_mtok",
}
PIECES = {"input_mchars": "per_million_characters"}
# OpenAI, https://platform.openai.com/docs/pricing and the guides of moderation and of images. Of a picture
# the dearest quality and size; a verdict is free of charge. The first version of the audio preview was
# dearer than its successors.
OTHERS = {
    "dall-e-2": {"per_image": "0.02"},
    "dall-e-3": {"per_image": "0.12"},
    "omni-moderation": {"per_moderation": "0"},
    "omni-moderation-latest": {"per_moderation": "0"},
    "text-moderation-latest": {"per_moderation": "0"},
    "text-moderation-stable": {"per_moderation": "0"},
}
SOUND = {
    "gpt-4o-audio-preview": {"input_audio_per_million": "40", "output_audio_per_million": "80"},
    "gpt-4o-audio-preview-2024-10-01": {"input_audio_per_million": "100", "output_audio_per_million": "200"},
    "gpt-4o-mini-audio-preview": {"input_audio_per_million": "10", "output_audio_per_million": "20"},
}
TIERS = {
    "batch": {"processing": "batch"},
    "fast": {"speed": "fast"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
DAY = datetime.datetime.now(datetime.UTC)


def tariff(prices):
    """The rates, and those of calls with a long prompt."""
    short, long, above = {}, {}, None
    for theirs, ours in RATES.items():
        price = getattr(prices, theirs)
        picture = getattr(prices, PICTURES.get(theirs, theirs))
        if price is None:
            continue
        if picture is not None and not isinstance(price, TieredPrices):
            price = max(price, picture)
        if isinstance(price, TieredPrices):
            short[ours] = str(price.base)
            # One step: of several the last is the dearest.
            long[ours], above = str(price.tiers[-1].price), price.tiers[0].start
        else:
            short[ours] = long[ours] = str(price)
    short.setdefault("output_per_million", "0")
    return short | ({"long_prompt": {"above": above} | long} if above else {})


def row(model):
    prices = model.get_prices(DAY)
    for theirs, ours in PIECES.items():
        if getattr(prices, theirs) is not None:
            return {ours: str(getattr(prices, theirs))}
    if prices.input_mtok is None:
        return None
    standard = tariff(prices)
    tiers = {}
    for name, context in TIERS.items():
        rates = tariff(model.get_prices(DAY, context))
        if rates != standard:
            tiers[name] = rates
    return standard | ({"tiers": tiers} if tiers else {})


def main(names):
    table = {}
    for provider in (one for one in providers if one.id in ("openai", "anthropic")):
        for name in names:
            model = next((one for one in provider.models if one.is_match(name)), None)
            found = row(model) if model else None
            if found:
                table[name] = found | SOUND.get(name, {})
    table |= OTHERS
    source = (
        f"genai-prices {importlib.metadata.version('genai-prices')} "
        "(https://github.com/pydantic/genai-prices, MIT, Copyright Pydantic Services Inc.), "
        f"as of {DAY:%Y-%m-%d}; trimmed to OpenAI and Anthropic, US dollars; pictures, verdicts and the sound "
        "of audio previews by https://platform.openai.com/docs/pricing"
    )
    rows = ",\n".join(f"    {json.dumps(n)}: {json.dumps(r)}" for n, r in sorted(table.items()))
    print(f'{{\n  "source": {json.dumps(source)},\n  "models": {{\n{rows}\n  }}\n}}')


if __name__ == "__main__":
    main([*json.load(open(sys.argv[1]))["models"], *sys.argv[2:]])

"""Makes the cards of tools that PyPI has, into the folder of this file. README.md says how to run it."""

import base64
import contextlib
import io
import json
import tempfile
from pathlib import Path

import aichar
import tavern_card
from forge.helper import embed_card_data, extract_card_data
from forge.models import CharacterCardV3
from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOLDER = Path(__file__).resolve().parent
CONTENT = json.loads((FOLDER / "content.json").read_text("utf-8"))
DATA = CONTENT["data"]
V1 = {name: DATA[name] for name in ("name", "description", "personality", "scenario", "first_mes", "mes_example")}


def write(name, content):
    content = content.encode("utf-8") if isinstance(content, str) else bytes(content)
    (FOLDER / name).write_bytes(content)


def of_aichar(picture):
    character = aichar.create_character(
        name=DATA["name"],
        summary=DATA["description"],
        personality=DATA["personality"],
        scenario=DATA["scenario"],
        greeting_message=DATA["first_mes"],
        example_messages=DATA["mes_example"],
        image_path=str(picture),
    )
    for form in ("tavernai", "pygmalion", "aicompanion"):
        write(f"aichar-{form}.json", character.export_json(form))
    write("aichar-neutral.json", character.export_neutral_json())
    for form in ("sillytavern", "textgenerationwebui"):
        write(f"aichar-{form}.png", character.export_card(form))


def of_tavern_card(picture, animated):
    v2 = tavern_card.parse_card({**CONTENT, "spec": "chara_card_v2", "spec_version": "2.0"})
    write("tavern-card-v2.png", tavern_card.write_png_card(v2, picture.read_bytes()))
    write("tavern-card-v1.png", tavern_card.write_png_card(tavern_card.parse_card(V1)))
    write("tavern-card-v3-apng.png", tavern_card.write_png_card(tavern_card.parse_card(CONTENT), animated.read_bytes()))


def of_card_forge(picture):
    """As its command `build --format png --legacy` writes a picture, and its command `extract` the JSON of one."""
    card = CharacterCardV3.model_validate(CONTENT)
    target = FOLDER / "card-forge-v3.png"
    with contextlib.redirect_stdout(io.StringIO()):
        embed_card_data(card.model_dump_json(indent=2), str(picture), str(target), legacy=True)
        extracted = extract_card_data(str(target))
    write("card-forge-v3.json", json.dumps(extracted.model_dump(), indent=2, ensure_ascii=False))


def of_pillow(picture):
    """A card whose text is written compressed, or as international text: programs that save pictures anew do so."""
    encoded = base64.b64encode(json.dumps(CONTENT, ensure_ascii=False).encode("utf-8")).decode("ascii")
    image = Image.open(picture)
    compressed = PngInfo()
    compressed.add_text("ccv3", encoded, zip=True)
    image.save(FOLDER / "pillow-ztxt.png", pnginfo=compressed)
    international = PngInfo()
    international.add_itxt("ccv3", encoded)
    image.save(FOLDER / "pillow-itxt.png", pnginfo=international)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "picture.png"
        Image.new("RGB", (2, 3), (64, 128, 192)).save(picture)
        animated = Path(scratch) / "animated.png"
        frames = [Image.new("RGB", (2, 2), (shade, shade, 64)) for shade in (0, 120, 240)]
        frames[0].save(animated, save_all=True, append_images=frames[1:], duration=200)
        of_aichar(picture)
        of_tavern_card(picture, animated)
        of_pillow(picture)
        of_card_forge(picture)


main()

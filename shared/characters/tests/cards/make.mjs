// Makes the cards of tools that npm has, into the folder of this file. README.md says how to run it.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";

// The packages are those of the folder that this is run in.
const require = createRequire(pathToFileURL(join(process.cwd(), "package.json")));
const { CCardLib } = require("@risuai/ccardlib");
const utils = require("character-card-utils");
const { zipSync } = require("fflate");

const folder = dirname(fileURLToPath(import.meta.url));
const write = (name, content) => writeFileSync(join(folder, name), content);
const writeCard = (name, card) => write(name, JSON.stringify(card, null, 2) + "\n");
// The tools change what they are given.
const content = () => JSON.parse(readFileSync(join(folder, "content.json"), "utf8"));

function pngChunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  let crc = ~0;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(~crc >>> 0);
  return Buffer.concat([length, body, checksum]);
}

/** A picture of 2 × 2 pixels of one grey. */
function picture(grey) {
  const header = Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
  const pixels = deflateSync(Buffer.from([0, grey, grey, 0, grey, grey]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks = [pngChunk("IHDR", header), pngChunk("IDAT", pixels), pngChunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...chunks]);
}

const convert = (card, from, to, options) => CCardLib.character.convert(card, { from, to, options });

writeCard("ccardlib-v1.json", convert(content(), "v3", "v1"));
const v2 = convert(content(), "v3", "v2", { convertRisuFields: true });
writeCard("ccardlib-v2.json", v2);
writeCard("ccardlib-v2-to-v3.json", convert(convert(content(), "v3", "v2"), "v2", "v3"));
const risu = convert(content(), "v3", "v2");
risu.data.extensions.risuai = {
  emotions: [["angry", "0123456789abcdef".repeat(4)]],
  additionalAssets: [["lamp", "fedcba9876543210".repeat(4), "webp"]],
  source: ["https://example.com/risu"],
};
writeCard("ccardlib-risu-v3.json", convert(risu, "v2", "v3", { convertRisuFields: true }));

// The library writes no files: the archive is made as its authors' program makes it, with fflate.
const card = convert(content(), "v3", "v3", { convertRisuFields: true });
if (CCardLib.character.check(card) !== "v3") throw new Error("ccardlib does not know its own card");
const archive = {
  "card.json": Buffer.from(JSON.stringify(card, null, 4)),
  "assets/icon/image/main.png": [picture(0x40), { level: 0 }],
  "assets/emotion/image/happy.png": [picture(0xc0), { level: 0 }],
};
write("ccardlib.charx", zipSync(archive, { level: 6, mtime: new Date(2024, 0, 1) }));

const plain = convert(content(), "v3", "v2");
writeCard("character-card-utils-v2.json", utils.parseToV2(plain));
writeCard("character-card-utils-backfilled.json", utils.backfillV2(utils.parseToV2(plain)));
writeCard("character-card-utils-obsolete.json", utils.backfillV2WithObsolescenceNotice(utils.parseToV2(plain)));
writeCard("character-card-utils-v1-to-v2.json", utils.v1ToV2(utils.v1.parse(convert(plain, "v2", "v1"))));

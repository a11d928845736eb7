// How replies are spoken on this device: whether by themselves, how fast, and whether to be heard.

import { VOICE, store, stored } from "../../lib/storage.js";

export const SPEEDS = { min: 0.75, max: 1.5, step: 0.05 };
const USUAL_SPEED = 1;

/** `storage` may hold anything: what is none of ours is as if it were not there. */
export function readSettings(storage) {
  const kept = stored(storage, VOICE) ?? {};
  const isSpeed = Number.isFinite(kept.speed) && kept.speed >= SPEEDS.min && kept.speed <= SPEEDS.max;
  return { isOn: kept.isOn === true, isMuted: kept.isMuted === true, speed: isSpeed ? kept.speed : USUAL_SPEED };
}

export const keepSettings = (storage, settings) => store(storage, VOICE, settings);

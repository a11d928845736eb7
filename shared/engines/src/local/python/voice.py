"""OpenAI's speech by Piper, or by espeak-ng where only that is there, on loopback: WAV from text."""

import io
import subprocess
import threading
import wave

import engine

settings = engine.begin()
MAX_TEXT_CHARS = 4096
ESPEAK_WORDS_PER_MINUTE = 165
turn = threading.Lock()


def piper():
    """A function from text and speed to WAV, by Piper."""
    import os

    # It reads this when it is loaded.
    os.environ["OMP_NUM_THREADS"] = str(settings["threads"])
    from piper import PiperVoice, SynthesisConfig

    voice = PiperVoice.load(settings["model"])

    def speak(text, speed):
        sound = io.BytesIO()
        with turn, wave.open(sound, "wb") as file:
            voice.synthesize_wav(text, file, syn_config=SynthesisConfig(length_scale=1 / speed))
        return sound.getvalue()

    return speak


def espeak(text, speed):
    command = ["espeak-ng", "--stdin", "--stdout", "-s", str(round(ESPEAK_WORDS_PER_MINUTE * speed))]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=60).stdout


speak = piper() if settings["model"] else espeak


def speech(call):
    text, speed = call["input"], float(call.get("speed") or 1)
    if not text.strip() or len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"input must be 1 to {MAX_TEXT_CHARS} characters")
    if not 0.25 <= speed <= 4:
        raise ValueError("speed must be 0.25 to 4")
    if call.get("response_format", "wav") != "wav":
        raise ValueError("response_format must be wav")
    return "audio/wav", speak(text, speed)


engine.serve(
    settings,
    {
        ("GET", "/v1/models"): lambda _: engine.answer({"object": "list", "data": [{"id": settings["name"]}]}),
        ("POST", "/v1/audio/speech"): speech,
    },
)

"""llama.cpp's own server, with a vision model that this program makes: it reads the colour of a card.

Run by the Python of `.servers/llama-cpp`: `python colour_reader.py FOLDER PORT KEY`.

Nothing of the model is learnt; each weight is set. Its eye averages red, green and blue over the picture. Its reader
has one layer: every byte of the text looks at the picture, and the next byte follows from the last one, the colour
among those that may come. The answer to (32, 160, 224) is "Agi": a letter for each channel, of the level out of four.
llama.cpp does with it what it does with any model: it takes the picture apart, fills the context, keeps to the
schema, counts tokens, lets requests wait for one of its two slots.
"""

import sys
import threading
from pathlib import Path

import gguf
import numpy as np
import xllamacpp
from numpy.typing import NDArray

Weights = NDArray[np.float32]

LEVELS = ("ABCD", "fghi", "6789")  # of red, green and blue: the last letter tells which channel is next
SIDE, PATCH, VISION = 64, 16, 32  # the eye: pixels, pixels, numbers for each patch
WIDTH, HEAD, HIDDEN = 512, 64, 32  # the reader
SEEN = 384  # where in its state red, green, blue and their scale stand; the last byte stands at its own number
PRECEDENCE = 40.0  # of what follows a byte over any colour
FOLLOWS = {  # by preference; the schema says which of them may come at this place
    ":": ['"', "1"],
    " ": ['"', "1"],
    ",": ['"'],
    "{": ['"'],
    '"': [LEVELS[0], ",", "}", ":"],
    LEVELS[0]: [LEVELS[1]],
    LEVELS[1]: [LEVELS[2]],
    LEVELS[2]: ['"'],
    "1": [",", "}"],
    "\n": ["N"],  # where no schema is asked for, it says "No."
    "N": ["o"],
    "o": ["."],
}


def zeros(*shape: int) -> Weights:
    return np.zeros(shape, np.float32)


def ones(length: int) -> Weights:
    return np.ones(length, np.float32)


def letters() -> list[str]:
    """How this kind of vocabulary writes the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    written = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return [written[byte] for byte in range(256)]


def vocabulary(writer: gguf.GGUFWriter) -> int:
    """Every byte is a token; returns how many there are."""
    nul = letters()[0]
    tokens = [*letters(), nul * 2, "<|end|>"]
    end = len(tokens) - 1
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * end + [gguf.TokenType.CONTROL])
    writer.add_token_merges([f"{nul} {nul}"])  # it wants one
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}\n{% endfor %}")
    return len(tokens)


def attention(tokens: int) -> dict[str, Weights]:
    """Every byte looks at the picture alone, and takes its colour over."""
    query, key, value, out = (zeros(WIDTH, WIDTH) for _ in range(4))
    query[HEAD - 2, :tokens] = 1
    key[HEAD - 2, SEEN + 3] = 4
    for channel in range(4):
        value[channel, SEEN + channel] = 1
        out[SEEN + channel, channel] = 0.05
    return {"attn_q": query, "attn_k": key, "attn_v": value, "attn_output": out}


def next_byte(tokens: int) -> Weights:
    """What follows the last byte; among equals, the level nearest to the colour.

    Nearest is where 2cx - c²s is greatest, for a level in the middle c of the range, a colour x and its scale s.
    """
    weights = zeros(tokens, WIDTH)
    for before, groups in FOLLOWS.items():
        for rank, group in enumerate(groups):
            for byte in before:
                weights[[ord(letter) for letter in group], ord(byte)] = PRECEDENCE - 4 * rank
    weights[tokens - 1, [ord("."), ord("}")]] = PRECEDENCE
    for channel, alphabet in enumerate(LEVELS):
        for level, letter in enumerate(alphabet):
            middle = 2 * (level + 0.5) / len(alphabet) - 1
            weights[ord(letter), SEEN + channel] = 2 * middle
            weights[ord(letter), SEEN + 3] = -(middle**2)
    return weights


def write_reader(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("colour reader")
    writer.add_context_length(16384)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(WIDTH // HEAD)
    writer.add_head_count_kv(WIDTH // HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(1e15)  # so that it does not matter where a byte stands
    tokens = vocabulary(writer)
    thinks = {"ffn_gate": zeros(HIDDEN, WIDTH), "ffn_up": zeros(HIDDEN, WIDTH), "ffn_down": zeros(WIDTH, HIDDEN)}
    layer = attention(tokens) | thinks | {"attn_norm": ones(WIDTH), "ffn_norm": ones(WIDTH)}
    ends = {
        "token_embd.weight": np.eye(tokens, WIDTH, dtype=np.float32),
        "output.weight": next_byte(tokens),
        "output_norm.weight": ones(WIDTH),
    }
    finish(writer, ends | {f"blk.0.{name}.weight": weights for name, weights in layer.items()})


def write_eye(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name("colour eye")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "gemma3")
    sizes = {"image_size": SIDE, "patch_size": PATCH, "embedding_length": VISION, "projection_dim": WIDTH}
    layers = {"feed_forward_length": HIDDEN, "block_count": 1, "attention.head_count": 1}
    for name, number in (sizes | layers).items():
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    writer.add_bool("clip.use_gelu", True)
    finish(writer, eye())


def eye() -> dict[str, Weights]:
    """Each patch is its mean colour and a one, and so is the picture; the layer between changes nothing."""
    patch, scale, project = zeros(VISION, 3, PATCH, PATCH), zeros(VISION), zeros(VISION, WIDTH)
    scale[3] = 1
    for channel in range(4):
        project[channel, SEEN + channel] = 1
    for channel in range(3):
        patch[channel, channel] = 1 / PATCH**2
    weights = {
        "v.patch_embd.weight": patch,
        "v.patch_embd.bias": scale,
        "v.position_embd.weight": zeros((SIDE // PATCH) ** 2, VISION),
        "mm.input_projection.weight": project,
        "mm.soft_emb_norm.weight": ones(VISION),
    }
    for name in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down"):
        weights |= {f"v.blk.0.{name}.weight": zeros(VISION, VISION), f"v.blk.0.{name}.bias": zeros(VISION)}
    for name in ("ln1", "ln2"):
        weights |= {f"v.blk.0.{name}.weight": ones(VISION), f"v.blk.0.{name}.bias": zeros(VISION)}
    return weights


def finish(writer: gguf.GGUFWriter, weights: dict[str, Weights]) -> None:
    for name, values in weights.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(folder: Path, port: int, key: str) -> None:
    write_reader(folder / "reader.gguf")
    write_eye(folder / "eye.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(folder / "reader.gguf")
    params.mmproj.path = str(folder / "eye.gguf")
    params.model_alias = {"colour-reader"}
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], port, [key]
    params.n_ctx, params.n_parallel = 16384, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.offline, params.use_jinja = True, True
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

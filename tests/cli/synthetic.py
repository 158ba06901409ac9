# SPDX-License-Identifier: Apache-2.0
# tests/cli/synthetic.py - model files of any size in no time: a Llama whose weights are all zero, in a sparse file.
#
# Enough for what depends on sizes and formats alone: memory, loading, interrupting. Zero is a finite number in every
# format used here, so such a model runs; it answers nothing but the first token of its vocabulary.
import struct

STRING, ARRAY, U32, F32, I32 = 8, 9, 4, 6, 5
FORMATS = {"f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q8_0": (8, 32, 34), "q4_k": (12, 256, 144)}
ALIGN = 32


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def key(name, kind, value):
    out = text(name) + struct.pack("<I", kind)
    if kind == ARRAY:
        inner, values = value
        out += struct.pack("<IQ", inner, len(values))
        return out + b"".join(text(v) if inner == STRING else struct.pack("<f" if inner == F32 else "<i", v)
                              for v in values)
    return out + (text(value) if kind == STRING else struct.pack("<f" if kind == F32 else "<I", value))


def vocabulary():
    """<unk> <s> </s>, every byte, and the letters: any text has tokens."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + [chr(c) for c in range(97, 123)]
    types = [2, 3, 3] + [6] * 256 + [1] * 26
    return tokens, types


def write_llama(path, *, layers, dim, ffn, heads, kv_heads, form, output=None, context=4096):
    """Writes the file; tied unless `output` names a format. Returns the bytes of its tensors."""
    tokens, types = vocabulary()
    n_vocab = len(tokens)
    kv_dim = dim // heads * kv_heads
    tensors = [("token_embd.weight", (dim, n_vocab), form), ("output_norm.weight", (dim,), "f32")]
    if output:
        tensors.append(("output.weight", (dim, n_vocab), output))
    for i in range(layers):
        for name, shape in (("attn_norm", (dim,)), ("ffn_norm", (dim,)), ("attn_q", (dim, dim)),
                            ("attn_k", (dim, kv_dim)), ("attn_v", (dim, kv_dim)), ("attn_output", (dim, dim)),
                            ("ffn_gate", (dim, ffn)), ("ffn_up", (dim, ffn)), ("ffn_down", (ffn, dim))):
            tensors.append((f"blk.{i}.{name}.weight", shape, "f32" if len(shape) == 1 else form))
    keys = [key("general.architecture", STRING, "llama"), key("llama.context_length", U32, context),
            key("llama.embedding_length", U32, dim), key("llama.block_count", U32, layers),
            key("llama.feed_forward_length", U32, ffn), key("llama.attention.head_count", U32, heads),
            key("llama.attention.head_count_kv", U32, kv_heads), key("llama.rope.dimension_count", U32, dim // heads),
            key("llama.rope.freq_base", F32, 10000.0), key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("tokenizer.ggml.model", STRING, "llama"), key("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
            key("tokenizer.ggml.scores", ARRAY, (F32, [-float(i) for i in range(n_vocab)])),
            key("tokenizer.ggml.token_type", ARRAY, (I32, types)), key("tokenizer.ggml.bos_token_id", U32, 1),
            key("tokenizer.ggml.eos_token_id", U32, 2)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    at = 0
    for name, shape, kind in tensors:
        code, elems, n_bytes = FORMATS[kind]
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", code, at)
        n = n_bytes * shape[0] // elems * (shape[1] if len(shape) > 1 else 1)
        at += (n + ALIGN - 1) // ALIGN * ALIGN
    head += bytes(-len(head) % ALIGN)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(len(head) + at)
    return at

// SPDX-License-Identifier: Apache-2.0
// core/model/arch/arch_llama.c - decoders of the Llama family: attention and a gated MLP per layer, RMSNorm, RoPE.
//
// Members differ in data only, a line of traits each (docs/models/llama.md, docs/models/gemma3.md):
//   llama    Touvron et al. 2023; Llama 3 with its RoPE factors (tensor rope_freqs), Mistral 7B, SmolLM2
//   gemma3   Gemma Team 2025: norms of q and k per head, norms after attention and MLP, GELU, scaled embeddings, five
//            layers with a sliding window and their own RoPE base for each layer without
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/model/arch/arch.h"

#define HEADS_MAX 1024u
#define LAYERS_MAX 1024u
#define DIM_MAX (1u << 20)
#define VOCAB_MAX (1u << 24)

typedef struct llama_traits {
    uint32_t rope_pairs;      // COLLET_ROPE_*
    bool qk_norm;             // RMSNorm of each head of q and k
    bool post_norms;          // RMSNorm of what attention and MLP add
    bool gelu;                // GELU in the MLP instead of SiLU
    bool scale_embeddings;    // times sqrt(dim)
    uint32_t global_every;    // every n-th layer attends to everything, the others within the window; 0: all alike
    float rope_base_windowed; // RoPE base of windowed layers; 0: the same
} llama_traits;

typedef struct llama_layer {
    collet_weight *attn_norm;       // (dim)
    collet_weight *wq, *wk, *wv;    // (n_heads head_dim, dim), (n_kv_heads head_dim, dim) twice
    collet_weight *q_norm, *k_norm; // (head_dim); NULL without qk_norm
    collet_weight *wo;              // (dim, n_heads head_dim)
    collet_weight *post_attn_norm;  // (dim); NULL without post_norms
    collet_weight *ffn_norm;        // (dim)
    collet_weight *w_gate, *w_up;   // (ffn_dim, dim)
    collet_weight *w_down;          // (dim, ffn_dim)
    collet_weight *post_ffn_norm;   // (dim); NULL without post_norms
    const collet_tensor *rope_freq; // (n_rot / 2)
    collet_attention_params attention;
} llama_layer;

typedef struct llama {
    const llama_traits *traits;
    collet_weight *tok_embd; // (n_vocab, dim)
    collet_weight *output;   // (n_vocab, dim); tok_embd when tied
    collet_weight *out_norm; // (dim)
    float embed_scale, final_softcap;
    llama_layer *layers;
} llama;

// One step: T new tokens of a ragged batch, R rows that want logits.
static void forward(collet_step *s, const collet_model *model, const void *state)
{
    const llama *m = state;
    const collet_hparams *h = collet_model_hparams(model);
    const float eps = h->rms_eps;
    const collet_act x = collet_step_act(s, "x", COLLET_ROWS_TOKENS, 1, h->dim); // the residual stream
    const collet_act d = collet_step_act(s, "d", COLLET_ROWS_TOKENS, 1, h->dim); // what a block adds to it
    const collet_act n = collet_step_act(s, "n", COLLET_ROWS_TOKENS, 1, h->dim); // norm(x)
    const collet_act q = collet_step_act(s, "q", COLLET_ROWS_TOKENS, h->n_heads, h->head_dim);
    const collet_act k = collet_step_act(s, "k", COLLET_ROWS_TOKENS, h->n_kv_heads, h->head_dim);
    const collet_act v = collet_step_act(s, "v", COLLET_ROWS_TOKENS, h->n_kv_heads, h->head_dim);
    const collet_act a = collet_step_act(s, "a", COLLET_ROWS_TOKENS, h->n_heads, h->head_dim);
    const collet_act gate = collet_step_act(s, "gate", COLLET_ROWS_TOKENS, 1, h->ffn_dim);
    const collet_act up = collet_step_act(s, "up", COLLET_ROWS_TOKENS, 1, h->ffn_dim);
    const collet_act r = collet_step_act(s, "r", COLLET_ROWS_LOGITS, 1, h->dim);
    const collet_act logits = collet_step_act(s, "logits", COLLET_ROWS_LOGITS, 1, h->n_vocab);

    collet_step_layer(s, -1);
    collet_embed(s, x, m->tok_embd, m->embed_scale); // x (T, dim)
    for (uint32_t l = 0; l < h->n_layers; l++) {
        const llama_layer *w = &m->layers[l];
        const collet_act qkv[] = { q, k, v };
        collet_weight *const wqkv[] = { w->wq, w->wk, w->wv };
        const collet_glu_weights glu = { w->w_gate, w->w_up, m->traits->gelu };
        collet_step_layer(s, (int32_t)l);

        if (l == 0)
            collet_rmsnorm(s, n, x, w->attn_norm, eps); // n (T, dim) = norm(x)
        else
            collet_add_rmsnorm(s, n, x, d, w->attn_norm, eps); // x += d; n = norm(x)
        collet_matmul_group(s, 3, qkv, n, wqkv); // q (T, n_heads, head_dim); k, v (T, n_kv_heads, head_dim)
        if (m->traits->qk_norm) {
            collet_rmsnorm(s, q, q, w->q_norm, eps);
            collet_rmsnorm(s, k, k, w->k_norm, eps);
        }
        collet_rope(s, q, w->rope_freq, m->traits->rope_pairs, h->n_rot, 1.0f);
        collet_rope(s, k, w->rope_freq, m->traits->rope_pairs, h->n_rot, 1.0f);
        collet_kv_append(s, k, v, &w->attention);
        collet_attention(s, a, q, &w->attention); // a (T, n_heads, head_dim), causal
        collet_matmul(s, d, a, w->wo);            // d (T, dim)
        if (m->traits->post_norms)
            collet_rmsnorm(s, d, d, w->post_attn_norm, eps);

        collet_add_rmsnorm(s, n, x, d, w->ffn_norm, eps); // x += d; n = norm(x)
        collet_matmul_glu(s, gate, up, n, &glu);          // gate (T, ffn_dim) = act(n Wgate) * (n Wup)
        collet_matmul(s, d, gate, w->w_down);             // d (T, dim)
        if (m->traits->post_norms)
            collet_rmsnorm(s, d, d, w->post_ffn_norm, eps);
    }
    collet_step_layer(s, -1);
    collet_add_rmsnorm(s, n, x, d, m->out_norm, eps);
    collet_take_rows(s, r, n);              // r (R, dim)
    collet_matmul(s, logits, r, m->output); // logits (R, n_vocab)
    if (m->final_softcap > 0.0f)
        collet_softcap(s, logits, m->final_softcap);
    collet_step_logits(s, logits);
}

// ---- opening ----

static collet_status read_hparams(collet_model *m, const llama_traits *traits, collet_error *err)
{
    collet_hparams *h = collet_model_hparams_mut(m);
    const char *path = collet_model_path(m);
    collet_status st = collet_model_u32(m, "block_count", LAYERS_MAX, &h->n_layers, err);
    if (st == COLLET_OK)
        st = collet_model_u32(m, "embedding_length", DIM_MAX, &h->dim, err);
    if (st == COLLET_OK)
        st = collet_model_u32(m, "feed_forward_length", DIM_MAX, &h->ffn_dim, err);
    if (st == COLLET_OK)
        st = collet_model_u32(m, "attention.head_count", HEADS_MAX, &h->n_heads, err);
    if (st == COLLET_OK)
        st = collet_model_u32(m, "context_length", 1u << 30, &h->context_train, err);
    h->n_kv_heads = h->n_heads;
    if (st == COLLET_OK)
        st = collet_model_u32_or(m, "attention.head_count_kv", HEADS_MAX, &h->n_kv_heads, err);
    if (st == COLLET_OK && h->n_heads % h->n_kv_heads != 0)
        st = collet_fail(err, COLLET_E_FORMAT, "%s: %u query heads do not divide among %u key heads", path, h->n_heads,
                         h->n_kv_heads);
    h->head_dim = st == COLLET_OK ? h->dim / h->n_heads : 1;
    if (st == COLLET_OK)
        st = collet_model_u32_or(m, "attention.key_length", 4096, &h->head_dim, err);
    h->n_rot = h->head_dim;
    if (st == COLLET_OK)
        st = collet_model_u32_or(m, "rope.dimension_count", 4096, &h->n_rot, err);
    if (st == COLLET_OK && (h->n_rot > h->head_dim || h->n_rot % 2 != 0))
        st = collet_fail(err, COLLET_E_FORMAT,
                         "%s: rope.dimension_count is %u, wanted an even number up to the head's %u", path, h->n_rot,
                         h->head_dim);
    h->rms_eps = -1.0f;
    if (st == COLLET_OK)
        st = collet_model_f32_or(m, "attention.layer_norm_rms_epsilon", &h->rms_eps, err);
    if (st == COLLET_OK && !(h->rms_eps >= 0.0f && h->rms_eps < 1.0f))
        st = collet_fail(err, COLLET_E_FORMAT, "%s: attention.layer_norm_rms_epsilon is missing or out of range", path);
    if (st == COLLET_OK && traits->global_every)
        st = collet_model_u32_or(m, "attention.sliding_window", 1u << 30, &h->window, err);
    return st;
}

// Frequencies of RoPE: base^(-2 i / n_rot), divided by Llama 3's factors and by linear scaling.
static collet_status rope_freq(collet_model *m, double base, double linear, const collet_weight *factors,
                               const collet_tensor **out, collet_error *err)
{
    const collet_hparams *h = collet_model_hparams(m);
    float freq[2048]; // n_rot <= head_dim <= 4096
    for (uint32_t i = 0; i < h->n_rot / 2; i++) {
        double f = pow(base, -2.0 * i / h->n_rot) / linear;
        if (factors)
            f /= (double)((const float *)factors->mapped.data)[i];
        freq[i] = (float)f;
    }
    return collet_model_constant(m, freq, h->n_rot / 2, out, err);
}

static collet_status read_rope(collet_model *m, llama *a, collet_error *err)
{
    const collet_hparams *h = collet_model_hparams(m);
    float base = 10000.0f, linear = 1.0f, base_windowed = a->traits->rope_base_windowed;
    const collet_tensor *freq = NULL, *freq_windowed = NULL;
    collet_weight *factors = NULL;
    const char *type = NULL;
    size_t n_type = 0;
    char key[96];
    snprintf(key, sizeof key, "%s.rope.scaling.type", collet_model_arch(m)->name);
    bool scaled = collet_gguf_get_str(&type, &n_type, collet_model_gguf(m), key, NULL) == COLLET_OK &&
                  !(n_type == 4 && memcmp(type, "none", 4) == 0);
    if (scaled && !(n_type == 6 && memcmp(type, "linear", 6) == 0))
        return collet_fail(err, COLLET_E_FORMAT, "%s: %s is '%.*s'; this version has none and linear",
                           collet_model_path(m), key, (int)(n_type < 32 ? n_type : 32), type);
    collet_status st = collet_model_f32_or(m, "rope.freq_base", &base, err);
    if (st == COLLET_OK && scaled)
        st = collet_model_f32_or(m, "rope.scaling.factor", &linear, err);
    if (st == COLLET_OK && base_windowed > 0.0f)
        st = collet_model_f32_or(m, "rope.freq_base_swa", &base_windowed, err);
    if (st == COLLET_OK && !(base > 0.0f && linear > 0.0f))
        st = collet_fail(err, COLLET_E_FORMAT, "%s: rope.freq_base and rope.scaling.factor must be above 0",
                         collet_model_path(m));
    const collet_weight_want want = { "rope_freqs.weight", 0, h->n_rot / 2, true };
    if (st == COLLET_OK)
        st = collet_model_weight(m, &want, &factors, err);
    if (st == COLLET_OK)
        st = rope_freq(m, base, linear, factors, &freq, err);
    freq_windowed = freq;
    if (st == COLLET_OK && base_windowed > 0.0f)
        st = rope_freq(m, base_windowed, 1.0, NULL, &freq_windowed, err);
    for (uint32_t l = 0; st == COLLET_OK && l < h->n_layers; l++)
        a->layers[l].rope_freq = a->layers[l].attention.window ? freq_windowed : freq;
    return st;
}

static collet_status layer_weights(collet_model *m, const llama_traits *traits, llama_layer *w, uint32_t l,
                                   collet_error *err)
{
    const collet_hparams *h = collet_model_hparams(m);
    const uint64_t q = (uint64_t)h->n_heads * h->head_dim, kv = (uint64_t)h->n_kv_heads * h->head_dim;
    const struct {
        collet_weight **out;
        const char *name;
        uint64_t n_out, n_in;
        bool present;
    } table[] = {
        { &w->attn_norm, "attn_norm", 0, h->dim, true },
        { &w->wq, "attn_q", q, h->dim, true },
        { &w->wk, "attn_k", kv, h->dim, true },
        { &w->wv, "attn_v", kv, h->dim, true },
        { &w->q_norm, "attn_q_norm", 0, h->head_dim, traits->qk_norm },
        { &w->k_norm, "attn_k_norm", 0, h->head_dim, traits->qk_norm },
        { &w->wo, "attn_output", h->dim, q, true },
        { &w->post_attn_norm, "post_attention_norm", 0, h->dim, traits->post_norms },
        { &w->ffn_norm, "ffn_norm", 0, h->dim, true },
        { &w->w_gate, "ffn_gate", h->ffn_dim, h->dim, true },
        { &w->w_up, "ffn_up", h->ffn_dim, h->dim, true },
        { &w->w_down, "ffn_down", h->dim, h->ffn_dim, true },
        { &w->post_ffn_norm, "post_ffw_norm", 0, h->dim, traits->post_norms },
    };
    for (size_t i = 0; i < COLLET_COUNT(table); i++) {
        char name[64];
        if (!table[i].present)
            continue;
        snprintf(name, sizeof name, "blk.%u.%s.weight", l, table[i].name);
        const collet_weight_want want = { name, table[i].n_out, table[i].n_in, false };
        collet_status st = collet_model_weight(m, &want, table[i].out, err);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

// A bias that this family's members do not have would change every answer if it were ignored.
static collet_status refuse_biases(const collet_model *m, collet_error *err)
{
    const collet_gguf *g = collet_model_gguf(m);
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const char *name = collet_gguf_tensor_at(g, i)->name;
        size_t n = strlen(name);
        if (n > 5 && strcmp(name + n - 5, ".bias") == 0)
            return collet_fail(err, COLLET_E_FORMAT, "%s: tensor '%s': biases are not supported in architecture %s",
                               collet_model_path(m), name, collet_model_arch(m)->name);
    }
    return COLLET_OK;
}

static collet_status open_outer(collet_model *m, llama *a, collet_error *err)
{
    collet_hparams *h = collet_model_hparams_mut(m);
    const collet_gguf_tensor *embd = collet_gguf_find_tensor(collet_model_gguf(m), "token_embd.weight");
    if (!embd)
        return collet_fail(err, COLLET_E_FORMAT, "%s: tensor 'token_embd.weight' is missing", collet_model_path(m));
    if (embd->n_dims != 2 || embd->dims[1] > VOCAB_MAX)
        return collet_fail(err, COLLET_E_FORMAT, "%s: tensor 'token_embd.weight' must be (n_vocab, dim)",
                           collet_model_path(m));
    h->n_vocab = (uint32_t)embd->dims[1];
    collet_gguf_array tokens = { 0 };
    if (collet_gguf_get_array(&tokens, collet_model_gguf(m), "tokenizer.ggml.tokens", COLLET_GGUF_STRING, NULL) ==
            COLLET_OK &&
        tokens.n != h->n_vocab)
        return collet_fail(err, COLLET_E_FORMAT, "%s: the tokenizer has %llu tokens, token_embd.weight %u rows",
                           collet_model_path(m), (unsigned long long)tokens.n, h->n_vocab);
    const collet_weight_want want[] = { { "token_embd.weight", h->n_vocab, h->dim, false },
                                        { "output.weight", h->n_vocab, h->dim, true },
                                        { "output_norm.weight", 0, h->dim, false } };
    collet_weight **out[] = { &a->tok_embd, &a->output, &a->out_norm };
    collet_status st = COLLET_OK;
    for (size_t i = 0; i < COLLET_COUNT(want) && st == COLLET_OK; i++)
        st = collet_model_weight(m, &want[i], out[i], err);
    if (st == COLLET_OK && !a->output)
        a->output = a->tok_embd; // tied
    a->embed_scale = a->traits->scale_embeddings ? sqrtf((float)h->dim) : 1.0f;
    if (st == COLLET_OK)
        st = collet_model_f32_or(m, "final_logit_softcapping", &a->final_softcap, err);
    return st;
}

static collet_status open_into(collet_model *m, llama *a, collet_error *err)
{
    collet_status st = read_hparams(m, a->traits, err);
    if (st == COLLET_OK)
        st = refuse_biases(m, err);
    if (st == COLLET_OK)
        st = open_outer(m, a, err);
    const collet_hparams *h = collet_model_hparams(m);
    if (st == COLLET_OK) {
        a->layers = calloc(h->n_layers, sizeof *a->layers);
        if (!a->layers)
            st = collet_fail(err, COLLET_E_NOMEM, "%s: no memory for %u layers", collet_model_path(m), h->n_layers);
    }
    float softcap = 0.0f;
    if (st == COLLET_OK)
        st = collet_model_f32_or(m, "attn_logit_softcapping", &softcap, err);
    // Gemma 3 27B alone (62 layers) scales by the width per head instead of the head's size.
    bool by_width = a->traits->qk_norm && h->n_layers == 62;
    float scale_dim = by_width ? (float)h->dim / (float)h->n_heads : (float)h->head_dim;
    uint32_t every = a->traits->global_every;
    for (uint32_t l = 0; st == COLLET_OK && l < h->n_layers; l++) {
        a->layers[l].attention = (collet_attention_params){ .size = sizeof(collet_attention_params),
                                                            .n_heads = h->n_heads,
                                                            .n_kv_heads = h->n_kv_heads,
                                                            .head_dim = h->head_dim,
                                                            .scale = 1.0f / sqrtf(scale_dim),
                                                            .softcap = softcap,
                                                            .window = every && (l + 1) % every ? h->window : 0 };
        st = layer_weights(m, a->traits, &a->layers[l], l, err);
    }
    return st == COLLET_OK ? read_rope(m, a, err) : st;
}

static void close(void *state)
{
    llama *a = state;
    if (a)
        free(a->layers);
    free(a);
}

static collet_status open(collet_model *m, const collet_arch *arch, void **state, collet_error *err)
{
    llama *a = calloc(1, sizeof *a);
    if (!a)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the model", collet_model_path(m));
    *state = a; // closed with the model, whatever comes
    a->traits = arch->traits;
    return open_into(m, a, err);
}

static const llama_traits llama_plain = { .rope_pairs = COLLET_ROPE_NORM };
static const llama_traits llama_gemma3 = { .rope_pairs = COLLET_ROPE_NEOX,
                                           .qk_norm = true,
                                           .post_norms = true,
                                           .gelu = true,
                                           .scale_embeddings = true,
                                           .global_every = 6,
                                           .rope_base_windowed = 10000.0f };

extern const collet_arch collet_arch_llama, collet_arch_gemma3;
const collet_arch collet_arch_llama = { "llama", open, close, forward, &llama_plain };
const collet_arch collet_arch_gemma3 = { "gemma3", open, close, forward, &llama_gemma3 };

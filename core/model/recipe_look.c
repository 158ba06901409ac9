// SPDX-License-Identifier: Apache-2.0
// core/model/recipe_look.c - what a file holds, as recipes see it: kinds of tensors, layers, what is left alone.
#include <stdio.h>
#include <string.h>

#include "core/model/recipe_internal.h"

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

static tensors kind_of(const char *name)
{
    static const struct {
        const char *part;
        tensors kind;
    } parts[] = { { "attn_qkv.weight", ATTN_V }, { "attn_kv_b.weight", ATTN_V }, { "attn_v.weight", ATTN_V },
                  { "attn_k.weight", ATTN_K },   { "attn_q.weight", ATTN_Q },    { "attn_output.weight", ATTN_OUT },
                  { "ffn_up", FFN_UP },          { "ffn_gate", FFN_GATE },       { "ffn_down", FFN_DOWN } };
    if (strcmp(name, "output.weight") == 0)
        return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return EMBED;
    for (size_t i = 0; i < COLLET_COUNT(parts); i++)
        if (has(name, parts[i].part))
            return parts[i].kind;
    return REST;
}

// Small or sensitive tensors that llama-quantize leaves alone too.
static const char *why_kept(const collet_gguf_tensor *t)
{
    static const char *const parts[] = { "altup",
                                         "laurel",
                                         "per_layer_model_proj",
                                         "ssm_conv1d",
                                         "shortconv.conv.weight",
                                         "indexer.k_proj.weight",
                                         "indexer.q_proj.weight",
                                         "time_mix_first.weight",
                                         "time_mix_w0.weight",
                                         "time_mix_w1.weight",
                                         "time_mix_w2.weight",
                                         "time_mix_v0.weight",
                                         "time_mix_v1.weight",
                                         "time_mix_v2.weight",
                                         "time_mix_a0.weight",
                                         "time_mix_a1.weight",
                                         "time_mix_a2.weight",
                                         "time_mix_g1.weight",
                                         "time_mix_g2.weight",
                                         "time_mix_decay_w1.weight",
                                         "time_mix_decay_w2.weight",
                                         "time_mix_lerp_fused.weight",
                                         "attn_rel_b.weight",
                                         ".position_embd",
                                         "sam.pos_embd",
                                         "sam.neck.",
                                         "sam.net_",
                                         ".rel_pos",
                                         ".patch_embd",
                                         ".patch_merger",
                                         "a.rvq.codebook",
                                         "mm.a.code_embd" };
    if (t->dims[1] == 1 && t->dims[2] == 1 && t->dims[3] == 1)
        return "kept: one dimension";
    if (!ends_in(t->name, "weight"))
        return "kept: no weight matrix";
    if (has(t->name, "_norm.weight"))
        return "kept: a norm";
    if (has(t->name, "ffn_gate_inp.weight") || has(t->name, "ffn_gate_tid2eid.weight"))
        return "kept: chooses experts";
    if (strcmp(t->name, "position_embd.weight") == 0 || strcmp(t->name, "token_types.weight") == 0)
        return "kept: positions and token types";
    for (size_t i = 0; i < COLLET_COUNT(parts); i++)
        if (has(t->name, parts[i]))
            return "kept: small and sensitive";
    return NULL;
}

static int32_t layer_of(const char *name)
{
    int layer = -1;
    return sscanf(name, "blk.%d.", &layer) == 1 && layer >= 0 ? layer : -1;
}

static uint32_t arch_u32(const collet_gguf *g, const char *name, uint32_t dflt)
{
    const char *arch = NULL;
    size_t n = 0;
    char key[128];
    uint64_t value = dflt;
    if (collet_gguf_get_str(&arch, &n, g, "general.architecture", NULL) != COLLET_OK || n > 63)
        return dflt;
    snprintf(key, sizeof key, "%.*s.%s", (int)n, arch, name);
    if (collet_gguf_get_u64_at(&value, g, key, 0, NULL) != COLLET_OK || value > UINT32_MAX)
        return dflt;
    return (uint32_t)value;
}

// The order in which mixtures count: by layer, then by name.
static bool stands_before(const collet_recipe *r, uint64_t a, uint64_t b)
{
    if (r->about[a].layer != r->about[b].layer)
        return r->about[a].layer < r->about[b].layer;
    return strcmp(collet_gguf_tensor_at(r->g, a)->name, collet_gguf_tensor_at(r->g, b)->name) < 0;
}

void collet_recipe_look(collet_recipe *r)
{
    uint64_t n = collet_gguf_n_tensors(r->g);
    uint32_t heads = arch_u32(r->g, "attention.head_count", 1);
    uint32_t kv_heads = arch_u32(r->g, "attention.head_count_kv", heads);
    r->n_layers = arch_u32(r->g, "block_count", 0);
    r->n_experts = arch_u32(r->g, "expert_count", 0);
    r->gqa = kv_heads ? heads / kv_heads : 0;
    r->is_70b = r->n_layers == 80 && heads != kv_heads;
    r->tied = collet_gguf_find_tensor(r->g, "output.weight") == NULL;
    for (uint64_t i = 0; i < n; i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(r->g, i);
        about *a = &r->about[i];
        a->kind = kind_of(t->name);
        a->layer = layer_of(t->name);
        a->why_kept = why_kept(t);
        a->kept = a->why_kept != NULL;
        a->index = a->layer < 0 ? 0 : (uint32_t)a->layer;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (r->about[i].kind != ATTN_V)
            continue;
        r->n_attn_v++;
        r->about[i].index = 0;
        for (uint64_t k = 0; k < n; k++)
            if (r->about[k].kind == ATTN_V && !r->about[k].kept && stands_before(r, k, i))
                r->about[i].index++;
    }
}

// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_attention.c
#include "plugins/common/ref_attention.h"

#include <math.h>
#include <stddef.h>

#include "plugins/common/f16.h"

static size_t element(const collet_ref_store *s, uint32_t block, uint32_t head, uint32_t offset)
{
    return (((size_t)block * s->n_kv_heads + head) * s->block_tokens + offset) * s->head_dim;
}

static float load(const collet_ref_store *s, size_t i)
{
    return s->half ? collet_f16_to_f32(((const uint16_t *)s->data)[i]) : ((const float *)s->data)[i];
}

static void store(const collet_ref_store *s, size_t i, float value)
{
    if (s->half)
        ((uint16_t *)s->data)[i] = collet_f32_to_f16(value);
    else
        ((float *)s->data)[i] = value;
}

void collet_ref_kv_append(const collet_ref_store *s, const float *kv, const int32_t *slots, uint32_t begin,
                          uint32_t end)
{
    for (uint32_t t = begin; t < end; t++)
        for (uint32_t h = 0; h < s->n_kv_heads; h++) {
            const uint32_t slot = (uint32_t)slots[t];
            const size_t at = element(s, slot / s->block_tokens, h, slot % s->block_tokens);
            const float *row = kv + ((size_t)t * s->n_kv_heads + h) * s->head_dim;
            for (uint32_t i = 0; i < s->head_dim; i++)
                store(s, at + i, row[i]);
        }
}

// Where token p of sequence s begins in a store.
static size_t token_at(const collet_ref_attention_args *a, const collet_ref_store *s, uint32_t seq, uint32_t head,
                       uint32_t p)
{
    const int32_t block = a->block_table[(size_t)seq * a->n_blocks_max + p / s->block_tokens];
    return element(s, (uint32_t)block, head, p % s->block_tokens);
}

void collet_ref_attention(const collet_ref_attention_args *a, double *scores, uint32_t token, uint32_t head)
{
    uint32_t seq = 0;
    while ((uint32_t)a->q_start[seq + 1] <= token)
        seq++;
    const uint32_t d = a->k.head_dim, kv_head = head / (a->n_heads / a->k.n_kv_heads);
    const uint32_t position = (uint32_t)a->kv_len[seq] - ((uint32_t)a->q_start[seq + 1] - token);
    const uint32_t first = a->window > 0 && position + 1 > a->window ? position + 1 - a->window : 0;
    const float *q = a->q + ((size_t)token * a->n_heads + head) * d;
    float *out = a->out + ((size_t)token * a->n_heads + head) * d;

    double top = -INFINITY, total = 0.0;
    for (uint32_t p = first; p <= position; p++) {
        const size_t at = token_at(a, &a->k, seq, kv_head, p);
        double s = 0.0;
        for (uint32_t i = 0; i < d; i++)
            s += (double)q[i] * load(&a->k, at + i);
        s *= a->scale;
        if (a->softcap > 0.0f)
            s = a->softcap * tanh(s / a->softcap);
        scores[p - first] = s;
        top = fmax(top, s);
    }
    for (uint32_t p = first; p <= position; p++)
        total += scores[p - first] = exp(scores[p - first] - top);
    for (uint32_t i = 0; i < d; i++) {
        double sum = 0.0;
        for (uint32_t p = first; p <= position; p++)
            sum += scores[p - first] * load(&a->v, token_at(a, &a->v, seq, kv_head, p) + i);
        out[i] = (float)(sum / total);
    }
}

// SPDX-License-Identifier: Apache-2.0
// core/model/isq.c
#include "core/model/isq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/model/ggml_types.h"
#include "core/model/recipe.h"

struct collet_isq {
    collet_recipe *recipe;
    collet_imatrix *imatrix;
    collet_isq_source *sources; // one per tensor of the file; unused where a tensor is kept
};

// ---- what is asked for ----

// A file that the profile or the command line names and that is not there is their mistake, not the model's.
static collet_status named_file(collet_status st, collet_error *err)
{
    if (st != COLLET_E_NOT_FOUND && st != COLLET_E_IO)
        return st;
    if (err)
        err->code = COLLET_E_INVALID;
    return COLLET_E_INVALID;
}

static collet_status make_recipe(collet_isq *q, collet_runtime *rt, const collet_gguf *g, collet_error *err)
{
    const collet_profile *profile = collet_runtime_profile(rt);
    size_t n = 0;
    const collet_isq_rule *lines = collet_profile_isq(profile, &n);
    collet_recipe_rule *rules = calloc(n + 1, sizeof *rules);
    if (!rules)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the rules of isq");
    for (size_t i = 0; i < n; i++)
        rules[i] = (collet_recipe_rule){ .layer_begin = lines[i].layer_begin,
                                         .layer_end = lines[i].layer_end,
                                         .tensor = lines[i].tensor,
                                         .use = lines[i].use,
                                         .where = lines[i].where };
    const char *topology = collet_profile_text(profile, "topology");
    const collet_recipe_opts opts = { .rules = rules,
                                      .n_rules = (uint32_t)n,
                                      .topology_path = topology[0] ? topology : NULL,
                                      .has_imatrix = q->imatrix != NULL };
    collet_status st = named_file(collet_recipe_create(&q->recipe, g, &opts, err), err);
    free(rules);
    return st;
}

static collet_status read_imatrix(collet_isq *q, const char *path, const collet_gguf *g, collet_error *err)
{
    collet_status st = named_file(collet_imatrix_open(&q->imatrix, path, err), err);
    return st == COLLET_OK ? collet_imatrix_check(q->imatrix, g, err) : st;
}

// ---- weights ----

static void set_format(collet_runtime *rt, collet_weight *w, const collet_ggml_type *type)
{
    collet_tensor *t = &w->mapped;
    const uint32_t inner = t->n_dims - 1u;
    const uint64_t row_bytes = (uint64_t)t->shape[inner] / type->block_elems * type->block_bytes;
    int64_t stride = (int64_t)row_bytes;
    t->format = collet_runtime_intern(rt, type->format);
    t->data = NULL;
    t->stride[inner] = type->block_elems == 1 ? (int64_t)type->block_bytes : 0;
    for (uint32_t d = inner; d-- > 0;) {
        t->stride[d] = stride;
        stride *= t->shape[d];
    }
    t->n_bytes = (uint64_t)stride;
    w->format_name = type->format;
}

static collet_status change(collet_isq *q, collet_runtime *rt, const collet_gguf_tensor *t, collet_isq_source *source,
                            collet_weight *w, const char *format, collet_error *err)
{
    collet_error why = COLLET_ERROR_INIT;
    *source = (collet_isq_source){
        .from = t,
        .importance = q->imatrix ? collet_imatrix_find(q->imatrix, t->name) : NULL,
        .allow_nonfinite = collet_profile_bool(collet_runtime_profile(rt), "allow_nonfinite"),
    };
    collet_status st = collet_codec_find(&source->decode, rt, t->format, COLLET_CODEC_DECODE, &why);
    if (st == COLLET_OK)
        st = collet_codec_find(&source->encode, rt, format, COLLET_CODEC_ENCODE, &why);
    if (st != COLLET_OK)
        return collet_fail(err, st, "isq: %s from %s to %s: %s", t->name, t->format, format, why.msg);
    set_format(rt, w, collet_ggml_type_named(format));
    w->source = source;
    return COLLET_OK;
}

static void warn_fallbacks(const collet_isq *q, collet_runtime *rt, const collet_gguf *g)
{
    for (uint64_t i = 0; collet_recipe_n_fallbacks(q->recipe) > 0; i++) {
        const collet_recipe_choice *c = collet_recipe_at(q->recipe, i);
        if (!c->is_fallback)
            continue;
        uint32_t n = collet_recipe_n_fallbacks(q->recipe);
        if (n == 1)
            collet_log_line(collet_runtime_log(rt), COLLET_LOG_WARN, NULL, "isq: %s: %s",
                            collet_gguf_tensor_at(g, i)->name, c->because);
        else
            collet_log_line(collet_runtime_log(rt), COLLET_LOG_WARN, NULL,
                            "isq: %u tensors get a format with smaller blocks; the first is %s: %s", n,
                            collet_gguf_tensor_at(g, i)->name, c->because);
        return;
    }
}

static collet_status create_into(collet_isq *q, collet_runtime *rt, const collet_gguf *g, collet_weight *weights,
                                 collet_error *err)
{
    const char *imatrix = collet_profile_text(collet_runtime_profile(rt), "imatrix");
    collet_status st = imatrix[0] ? read_imatrix(q, imatrix, g, err) : COLLET_OK;
    if (st == COLLET_OK)
        st = make_recipe(q, rt, g, err);
    if (st != COLLET_OK)
        return st;
    const uint64_t n = collet_gguf_n_tensors(g);
    q->sources = calloc((size_t)n + 1, sizeof *q->sources);
    if (!q->sources)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %llu tensors", (unsigned long long)n);
    for (uint64_t i = 0; i < n && st == COLLET_OK; i++) {
        const collet_recipe_choice *c = collet_recipe_at(q->recipe, i);
        if (c->quantize)
            st = change(q, rt, collet_gguf_tensor_at(g, i), &q->sources[i], &weights[i], c->format, err);
    }
    if (st == COLLET_OK)
        warn_fallbacks(q, rt, g);
    return st;
}

collet_status collet_isq_create(collet_isq **out, collet_runtime *rt, const collet_gguf *g, collet_weight *weights,
                                collet_error *err)
{
    const collet_profile *profile = collet_runtime_profile(rt);
    size_t n = 0;
    collet_profile_isq(profile, &n);
    *out = NULL;
    if (n == 0 && !collet_profile_text(profile, "topology")[0]) {
        if (collet_profile_text(profile, "imatrix")[0])
            collet_log_line(collet_runtime_log(rt), COLLET_LOG_WARN, NULL,
                            "imatrix %s is not read: nothing is quantized without isq (--isq) or a topology",
                            collet_profile_text(profile, "imatrix"));
        return COLLET_OK;
    }
    collet_isq *q = calloc(1, sizeof *q);
    if (!q)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to quantize while loading");
    collet_status st = create_into(q, rt, g, weights, err);
    if (st == COLLET_OK)
        *out = q;
    else
        collet_isq_destroy(q);
    return st;
}

void collet_isq_destroy(collet_isq *q)
{
    if (!q)
        return;
    collet_recipe_destroy(q->recipe);
    collet_imatrix_close(q->imatrix);
    free(q->sources);
    free(q);
}

// ---- rows ----

uint64_t collet_isq_n_rows(const collet_weight *w)
{
    const collet_gguf_tensor *t = w->source->from;
    return t->dims[1] * t->dims[2] * t->dims[3];
}

uint64_t collet_isq_row_bytes(const collet_weight *w)
{
    return w->mapped.n_bytes / collet_isq_n_rows(w);
}

static collet_status check_finite(const collet_weight *w, uint64_t first, const float *values, uint64_t n,
                                  collet_error *err)
{
    uint32_t bad = 0; // whole vectors at a time: no branch in the loop
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bad |= (bits & 0x7fffffffu) >= 0x7f800000u;
    }
    if (!bad)
        return COLLET_OK;
    uint64_t at = 0;
    while (isfinite(values[at]))
        at++;
    return collet_fail(err, COLLET_E_FORMAT,
                       "%s: element %llu is %s: the file is damaged or was saved after a training that diverged; "
                       "--allow-nonfinite quantizes it all the same",
                       w->name, (unsigned long long)(first + at), isnan(values[at]) ? "NaN" : "infinite");
}

collet_status collet_isq_make_rows(const collet_weight *w, uint64_t row_begin, uint64_t row_end, float *values,
                                   uint8_t *blocks, collet_error *err)
{
    const collet_isq_source *s = w->source;
    const collet_gguf_tensor *t = s->from;
    const uint64_t n_in = t->dims[0], n = (row_end - row_begin) * n_in, from_bytes = t->n_bytes / collet_isq_n_rows(w);
    const uint64_t to_bytes = collet_isq_row_bytes(w);
    const uint8_t *from = t->data + row_begin * from_bytes;
    s->decode.vt->dequantize(s->decode.mod, from, values, n);
    collet_status st = s->allow_nonfinite ? COLLET_OK : check_finite(w, row_begin * n_in, values, n, err);
    if (st == COLLET_OK && !s->importance)
        st = s->encode.vt->quantize(s->encode.mod, values, blocks, n, NULL, err);
    for (uint64_t row = row_begin; row < row_end && st == COLLET_OK && s->importance; row++)
        st = s->encode.vt->quantize(s->encode.mod, values + (row - row_begin) * n_in,
                                    blocks + (row - row_begin) * to_bytes, n_in,
                                    collet_imatrix_row(s->importance, t, row), err);
    collet_file_forget(from, n / n_in * from_bytes);
    return st;
}

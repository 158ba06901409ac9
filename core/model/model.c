// SPDX-License-Identifier: Apache-2.0
// core/model/model.c
#include "core/model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collet/plugin/quant.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/arch/arch.h"
#include "core/model/isq.h"

#define CONSTANTS_MAX 8

struct collet_model {
    collet_runtime *rt;
    collet_gguf *gguf;
    const collet_arch *arch;
    void *state; // the architecture's
    collet_hparams hparams;
    collet_weight *weights; // one per tensor of the file, in its order
    collet_isq *isq;        // NULL: all weights are as in the file
    collet_tensor constants[CONSTANTS_MAX];
    float *constant_data[CONSTANTS_MAX];
    uint32_t n_constants;
    char *path;
};

// ---- opening ----

static collet_status find_arch(collet_model *m, collet_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    collet_status st = collet_gguf_get_str(&text, &n, m->gguf, "general.architecture", err);
    if (st != COLLET_OK)
        return collet_fail(err, COLLET_E_FORMAT, "%s: no architecture: key general.architecture is missing or no text",
                           m->path);
    const char *names[64];
    collet_text list = { 0 };
    size_t n_names = 0;
    for (size_t i = 0; i < collet_n_archs && i < COLLET_COUNT(names); i++) {
        const collet_arch *a = collet_archs[i];
        if (strlen(a->name) == n && memcmp(a->name, text, n) == 0)
            m->arch = a;
        names[n_names++] = a->name;
        collet_text_printf(&list, "%s%s", i ? ", " : "", a->name);
    }
    if (!m->arch) {
        char shown[80], name[64];
        snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), text);
        const char *nearest = collet_nearest(name, names, n_names);
        collet_escape(shown, sizeof shown, text, n);
        st = collet_fail(err, COLLET_E_FORMAT, "%s: unknown architecture '%s'; this version runs: %s%s%s%s", m->path,
                         shown, list.data ? list.data : "", nearest ? " (did you mean " : "", nearest ? nearest : "",
                         nearest ? "?)" : "");
    }
    collet_text_free(&list);
    return st;
}

// Views of every tensor: outermost first, which is the reverse of the file's order.
static collet_status map_weights(collet_model *m, collet_error *err)
{
    uint64_t n = collet_gguf_n_tensors(m->gguf);
    m->weights = calloc(n ? n : 1, sizeof *m->weights);
    if (!m->weights)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for %llu tensors", m->path, (unsigned long long)n);
    uint32_t cpu = collet_runtime_intern(m->rt, "cpu");
    for (uint64_t i = 0; i < n; i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(m->gguf, i);
        collet_weight *w = &m->weights[i];
        w->name = t->name;
        w->format_name = t->format;
        w->mapped = (collet_tensor){ .size = sizeof w->mapped,
                                     .n_dims = (uint16_t)t->n_dims,
                                     .flags = COLLET_TENSOR_READONLY,
                                     .format = collet_runtime_intern(m->rt, t->format),
                                     .domain = cpu,
                                     .data = (void *)(uintptr_t)t->data,
                                     .n_bytes = t->n_bytes };
        for (uint32_t d = 0; d < t->n_dims; d++)
            w->mapped.shape[t->n_dims - 1 - d] = (int64_t)t->dims[d];
        int64_t stride = (int64_t)(t->dims[0] / t->block_elems * t->block_bytes);
        w->mapped.stride[t->n_dims - 1] = t->block_elems == 1 ? (int64_t)t->block_bytes : 0;
        for (uint32_t d = t->n_dims - 1; d-- > 0;) {
            w->mapped.stride[d] = stride;
            stride *= w->mapped.shape[d];
        }
    }
    return collet_runtime_check_names(m->rt, err);
}

static collet_status open_into(collet_model *m, const char *path, collet_error *err)
{
    m->path = strdup(path);
    if (!m->path)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the model", path);
    collet_status st = collet_gguf_open(&m->gguf, path, err);
    if (st == COLLET_OK)
        st = find_arch(m, err);
    if (st == COLLET_OK)
        st = map_weights(m, err);
    if (st == COLLET_OK)
        st = collet_isq_create(&m->isq, m->rt, m->gguf, m->weights, err);
    if (st == COLLET_OK)
        st = m->arch->open(m, m->arch, &m->state, err);
    return st;
}

collet_status collet_model_open(collet_model **out, collet_runtime *rt, const char *path, collet_error *err)
{
    collet_model *m = calloc(1, sizeof *m);
    if (!m)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the model", path);
    m->rt = rt;
    collet_status st = open_into(m, path, err);
    if (st == COLLET_OK)
        *out = m;
    else
        collet_model_close(m);
    return st;
}

void collet_model_close(collet_model *m)
{
    if (!m)
        return;
    const collet_host *host = collet_runtime_host(m->rt);
    uint64_t n = m->weights ? collet_gguf_n_tensors(m->gguf) : 0;
    for (uint64_t i = 0; i < n; i++)
        for (uint32_t f = 0; f < m->weights[i].n_forms; f++)
            host->buf_free(host->self, m->weights[i].forms[f].buffer);
    for (uint64_t i = 0; i < n; i++)
        host->buf_free(host->self, m->weights[i].buffer);
    free(m->weights);
    collet_isq_destroy(m->isq);
    if (m->arch)
        m->arch->close(m->state);
    for (uint32_t i = 0; i < m->n_constants; i++)
        free(m->constant_data[i]);
    collet_gguf_close(m->gguf);
    free(m->path);
    free(m);
}

// ---- for architectures ----

static void shape_text(char *out, size_t n_out, const collet_tensor *t)
{
    size_t n = 0;
    for (uint32_t d = 0; d < t->n_dims && n < n_out; d++)
        n += (size_t)snprintf(out + n, n_out - n, "%s%lld", d ? ", " : "", (long long)t->shape[d]);
}

collet_status collet_model_weight(collet_model *m, const collet_weight_want *want, collet_weight **out,
                                  collet_error *err)
{
    *out = NULL;
    const collet_gguf_tensor *found = collet_gguf_find_tensor(m->gguf, want->name);
    if (!found && want->optional)
        return COLLET_OK;
    if (!found)
        return collet_fail(err, COLLET_E_FORMAT, "%s: tensor '%s' is missing, which architecture %s needs", m->path,
                           want->name, m->arch->name);
    collet_weight *w = &m->weights[found - collet_gguf_tensor_at(m->gguf, 0)];
    const collet_tensor *t = &w->mapped;
    bool vector = want->n_out == 0;
    bool right = vector ? t->n_dims == 1 && (uint64_t)t->shape[0] == want->n_in
                        : t->n_dims == 2 && (uint64_t)t->shape[0] == want->n_out && (uint64_t)t->shape[1] == want->n_in;
    if (!right) {
        char shape[128];
        shape_text(shape, sizeof shape, t);
        if (vector)
            return collet_fail(err, COLLET_E_FORMAT, "%s: tensor '%s' has shape (%s), wanted (%llu)", m->path,
                               want->name, shape, (unsigned long long)want->n_in);
        return collet_fail(err, COLLET_E_FORMAT, "%s: tensor '%s' has shape (%s), wanted (%llu, %llu)", m->path,
                           want->name, shape, (unsigned long long)want->n_out, (unsigned long long)want->n_in);
    }
    if (vector && strcmp(w->format_name, "f32") != 0)
        return collet_fail(err, COLLET_E_FORMAT, "%s: tensor '%s' is %s, a vector must be f32", m->path, want->name,
                           w->format_name);
    *out = w;
    return COLLET_OK;
}

static collet_status ranged_u32(collet_model *m, const char *name, uint32_t max, bool required, uint32_t *out,
                                collet_error *err)
{
    char key[128];
    uint64_t value = 0;
    snprintf(key, sizeof key, "%s.%s", m->arch->name, name);
    collet_status st = collet_gguf_get_u64_at(&value, m->gguf, key, 0, err);
    if (st == COLLET_E_NOT_FOUND && !required)
        return COLLET_OK;
    if (st == COLLET_E_NOT_FOUND)
        return collet_fail(err, COLLET_E_FORMAT, "%s: key %s is missing, which architecture %s needs", m->path, key,
                           m->arch->name);
    if (st != COLLET_OK)
        return st;
    if (value < 1 || value > max)
        return collet_fail(err, COLLET_E_FORMAT, "%s: key %s is %llu, wanted 1..%u", m->path, key,
                           (unsigned long long)value, max);
    *out = (uint32_t)value;
    return COLLET_OK;
}

collet_status collet_model_u32(collet_model *m, const char *name, uint32_t max, uint32_t *out, collet_error *err)
{
    return ranged_u32(m, name, max, true, out, err);
}

collet_status collet_model_u32_or(collet_model *m, const char *name, uint32_t max, uint32_t *out, collet_error *err)
{
    return ranged_u32(m, name, max, false, out, err);
}

collet_status collet_model_f32_or(collet_model *m, const char *name, float *out, collet_error *err)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", m->arch->name, name);
    float value = *out;
    collet_status st = collet_gguf_get_f32(&value, m->gguf, key, err);
    if (st == COLLET_E_NOT_FOUND)
        return COLLET_OK;
    if (st == COLLET_OK && !isfinite(value))
        return collet_fail(err, COLLET_E_FORMAT, "%s: key %s is not a finite number", m->path, key);
    if (st == COLLET_OK)
        *out = value;
    return st;
}

collet_status collet_model_constant(collet_model *m, const float *data, uint32_t n, const collet_tensor **out,
                                    collet_error *err)
{
    if (m->n_constants == CONSTANTS_MAX)
        return collet_fail(err, COLLET_E_INTERNAL, "%s: more than %d constants", m->path, CONSTANTS_MAX);
    float *copy = malloc(n * sizeof *copy);
    if (!copy)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for a constant of %u numbers", m->path, n);
    memcpy(copy, data, n * sizeof *copy);
    collet_tensor *t = &m->constants[m->n_constants];
    *t = (collet_tensor){ .size = sizeof *t,
                          .n_dims = 1,
                          .flags = COLLET_TENSOR_READONLY,
                          .format = collet_runtime_intern(m->rt, "f32"),
                          .domain = collet_runtime_intern(m->rt, "cpu"),
                          .data = copy,
                          .n_bytes = n * sizeof *copy,
                          .shape = { n },
                          .stride = { sizeof *copy } };
    m->constant_data[m->n_constants++] = copy;
    *out = t;
    return COLLET_OK;
}

// ---- getters ----

const char *collet_model_path(const collet_model *m)
{
    return m->path;
}

const collet_gguf *collet_model_gguf(const collet_model *m)
{
    return m->gguf;
}

const collet_hparams *collet_model_hparams(const collet_model *m)
{
    return &m->hparams;
}

collet_hparams *collet_model_hparams_mut(collet_model *m)
{
    return &m->hparams;
}

const collet_arch *collet_model_arch(const collet_model *m)
{
    return m->arch;
}

collet_runtime *collet_model_runtime(const collet_model *m)
{
    return m->rt;
}

void collet_model_forward(const collet_model *m, collet_step *s)
{
    m->arch->forward(s, m, m->state);
}

uint64_t collet_model_weight_bytes(const collet_model *m)
{
    uint64_t n_bytes = 0;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(m->gguf); i++)
        n_bytes += collet_gguf_tensor_at(m->gguf, i)->n_bytes;
    return n_bytes;
}

// ---- memory ----

static size_t add_memory(collet_weight_memory *rows, size_t n, size_t n_max, const collet_weight_memory *add)
{
    size_t i = 0;
    while (i < n && (strcmp(rows[i].format, add->format) != 0 || strcmp(rows[i].how, add->how) != 0 ||
                     rows[i].layout != add->layout))
        i++;
    if (i == n_max)
        return n; // more kinds than there are
    if (i == n)
        rows[n++] = *add;
    else
        rows[i].n_bytes += add->n_bytes;
    rows[i].n_tensors++;
    return n;
}

size_t collet_model_memory(const collet_model *m, collet_weight_memory *rows, size_t n_rows_max)
{
    size_t n = 0;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(m->gguf); i++) {
        const collet_weight *w = &m->weights[i];
        for (uint32_t f = 0; f < w->n_forms; f++) {
            const collet_weight_form *form = &w->forms[f];
            const collet_weight_memory add = { .format = w->format_name,
                                               .layout = form->layout ? collet_runtime_name(m->rt, form->layout) : NULL,
                                               .how = form->layout ? "packed" : "copied",
                                               .n_bytes = form->tensor.n_bytes };
            n = add_memory(rows, n, n_rows_max, &add);
        }
        const collet_weight_memory add = { .format = w->format_name,
                                           .how = w->source ? "quantized" : "mapped",
                                           .n_bytes = w->mapped.n_bytes };
        if (w->canonical_needed)
            n = add_memory(rows, n, n_rows_max, &add);
    }
    return n;
}

void collet_model_forget_estimate(collet_model *m)
{
    for (uint64_t i = 0; i < collet_gguf_n_tensors(m->gguf); i++) {
        collet_weight *w = &m->weights[i];
        while (w->n_forms > 0 && !w->forms[w->n_forms - 1].buffer)
            w->n_forms--;
        if (w->source && !w->buffer)
            w->mapped.data = NULL;
        w->canonical_needed = w->canonical_needed && w->mapped.data;
    }
}

// ---- blame ----

static bool all_finite(const collet_gguf_tensor *t, const collet_codec *codec)
{
    enum { CHUNK = 4096 };
    float values[CHUNK];
    const uint32_t block_elems = codec->vt->block_elems, block_bytes = codec->vt->block_bytes;
    const uint64_t step = CHUNK / block_elems, n_blocks = t->n_bytes / block_bytes;
    for (uint64_t b = 0; b < n_blocks; b += step) {
        uint64_t n = n_blocks - b < step ? n_blocks - b : step;
        codec->vt->dequantize(codec->mod, t->data + b * block_bytes, values, n * block_elems);
        for (uint64_t i = 0; i < n * block_elems; i++)
            if (!isfinite(values[i]))
                return false;
    }
    return true;
}

const char *collet_model_find_nonfinite(const collet_model *m)
{
    for (uint64_t i = 0; i < collet_gguf_n_tensors(m->gguf); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(m->gguf, i); // as the file has it
        collet_codec codec;
        if (collet_codec_find(&codec, m->rt, t->format, COLLET_CODEC_DECODE, NULL) == COLLET_OK &&
            !all_finite(t, &codec))
            return t->name;
    }
    return NULL;
}

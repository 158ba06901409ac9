// SPDX-License-Identifier: Apache-2.0
// core/model/quantize.c
#include "core/model/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/codec.h"
#include "core/model/ggml_types.h"
#include "core/model/gguf_write.h"

#define BAND_ELEMS (1u << 18)  // 144 KiB of q4_k: small for balance, large for the disk
#define PIECE_ELEMS (1u << 15) // floats of a piece: 128 KiB, in the second-level cache with what is made of them
#define QUANTIZATION_VERSION 2 // of ggml's block layouts

typedef struct job { // one tensor
    const collet_gguf_tensor *t;
    const collet_ggml_type *to;
    collet_codec decode, encode; // encode.vt NULL: the bytes are kept; decode.vt NULL: nobody can look inside
    const collet_imatrix_entry *importance; // NULL: none
} job;

typedef struct band {
    uint64_t job, row, n_rows;
} band;

typedef struct scratch { // of one worker
    float *values;
    uint8_t *blocks;
} scratch;

typedef struct work {
    const collet_quantize_opts *opts;
    collet_gguf_writer *writer;
    job *jobs;
    uint64_t n_jobs;
    band *bands;
    uint64_t n_bands;
    scratch *scratch; // one per worker
    uint32_t n_workers;
    uint64_t n_elements; // of all tensors
    _Atomic uint64_t next_band, n_done;
    atomic_bool stop;
    pthread_mutex_t lock; // of what follows
    uint64_t failed_band;
    collet_error error; // of the first band that failed, by number: the same for any number of threads
} work;

static uint64_t n_rows_of(const collet_gguf_tensor *t)
{
    return t->dims[1] * t->dims[2] * t->dims[3]; // the reader has bounded them
}

static uint64_t row_bytes(const collet_gguf_tensor *t, const collet_ggml_type *type)
{
    return t->dims[0] / type->block_elems * type->block_bytes;
}

static bool is_copied(const collet_recipe_choice *choice, const collet_gguf_tensor *t)
{
    return !choice->quantize || strcmp(choice->format, t->format) == 0;
}

// ---- before the work ----

static collet_status refuse_split(const collet_gguf *g, collet_error *err)
{
    uint64_t count = 1, number = 0;
    collet_error ignored = COLLET_ERROR_INIT;
    if (collet_gguf_get_u64(&count, g, "split.count", &ignored) != COLLET_OK || count <= 1)
        return COLLET_OK;
    collet_gguf_get_u64(&number, g, "split.no", &ignored);
    return collet_fail(err, COLLET_E_FORMAT,
                       "%s: is part %" PRIu64 " of a model in %" PRIu64 " files; merge them first, with "
                       "`llama-gguf-split --merge`",
                       collet_gguf_path(g), number + 1, count);
}

// What decodes and encodes tensor i.
static collet_status make_job(job *j, const collet_quantize_opts *o, uint64_t i, collet_error *err)
{
    const collet_gguf_tensor *t = collet_gguf_tensor_at(o->source, i);
    const collet_recipe_choice *choice = collet_recipe_at(o->recipe, i);
    bool copied = is_copied(choice, t);
    *j = (job){ .t = t, .to = collet_ggml_type_named(choice->format) };
    if (!j->to)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "%s: a GGUF file cannot hold the format %s", t->name,
                           choice->format);
    collet_status st = collet_codec_find(&j->decode, o->rt, t->format, COLLET_CODEC_DECODE, err);
    if (st == COLLET_E_UNSUPPORTED && copied)
        st = COLLET_OK;
    if (st == COLLET_OK && !copied)
        st = collet_codec_find(&j->encode, o->rt, choice->format, COLLET_CODEC_ENCODE, err);
    if (st != COLLET_OK)
        return collet_fail(err, st, "%s: tensor '%s': %s", collet_gguf_path(o->source), t->name, err ? err->msg : "");
    if (o->imatrix && !copied)
        j->importance = collet_imatrix_find(o->imatrix, t->name);
    return COLLET_OK;
}

collet_status collet_quantize_plan(const collet_quantize_opts *opts, collet_quantize_result *result, collet_error *err)
{
    const collet_gguf *g = opts->source;
    collet_quantize_result r = { 0 };
    collet_status st = refuse_split(g, err);
    if (st != COLLET_OK)
        return st;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        const collet_recipe_choice *choice = collet_recipe_at(opts->recipe, i);
        job j;
        st = make_job(&j, opts, i, err);
        if (st != COLLET_OK)
            return st;
        uint64_t n = t->dims[0] * n_rows_of(t);
        r.n_elements += n;
        r.in_bytes += t->n_bytes;
        r.out_bytes += row_bytes(t, j.to) * n_rows_of(t);
        if (is_copied(choice, t))
            continue;
        r.n_quantized += n;
        r.n_requantized += t->block_elems > 1;
        if (opts->imatrix && !j.importance && r.n_no_importance++ == 0)
            r.no_importance = t->name;
    }
    *result = r;
    return COLLET_OK;
}

static collet_status make_jobs(work *w, collet_error *err)
{
    w->n_jobs = collet_gguf_n_tensors(w->opts->source);
    w->jobs = calloc((size_t)w->n_jobs + 1, sizeof *w->jobs);
    if (!w->jobs)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %" PRIu64 " tensors", w->n_jobs);
    collet_status st = COLLET_OK;
    for (uint64_t i = 0; i < w->n_jobs && st == COLLET_OK; i++)
        st = make_job(&w->jobs[i], w->opts, i, err);
    return st;
}

static uint64_t rows_per(const collet_gguf_tensor *t, uint64_t n_elements)
{
    return t->dims[0] >= n_elements ? 1 : n_elements / t->dims[0];
}

static collet_status make_bands(work *w, collet_error *err)
{
    for (uint64_t i = 0; i < w->n_jobs; i++) {
        const collet_gguf_tensor *t = w->jobs[i].t;
        uint64_t n = rows_per(t, BAND_ELEMS);
        w->n_bands += (n_rows_of(t) + n - 1) / n;
        w->n_elements += t->dims[0] * n_rows_of(t);
    }
    w->bands = calloc((size_t)w->n_bands + 1, sizeof *w->bands);
    if (!w->bands)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %" PRIu64 " bands of rows", w->n_bands);
    band *b = w->bands;
    for (uint64_t i = 0; i < w->n_jobs; i++) {
        uint64_t n_rows = n_rows_of(w->jobs[i].t), step = rows_per(w->jobs[i].t, BAND_ELEMS);
        for (uint64_t row = 0; row < n_rows; row += step)
            *b++ = (band){ .job = i, .row = row, .n_rows = n_rows - row < step ? n_rows - row : step };
    }
    return COLLET_OK;
}

// The largest band of all needs this much; what is copied goes from the mapping to the file.
static collet_status make_scratch(work *w, collet_error *err)
{
    uint64_t n_values = PIECE_ELEMS, n_bytes = 1;
    for (uint64_t i = 0; i < w->n_jobs; i++) {
        const job *j = &w->jobs[i];
        uint64_t n_rows = rows_per(j->t, BAND_ELEMS), n_out = row_bytes(j->t, j->to) * n_rows;
        if (j->decode.vt && j->t->dims[0] > n_values)
            n_values = j->t->dims[0];
        if (j->encode.vt && n_out > n_bytes)
            n_bytes = n_out;
    }
    w->n_workers = collet_pool_workers(collet_runtime_pool(w->opts->rt));
    w->scratch = calloc(w->n_workers, sizeof *w->scratch);
    bool enough = w->scratch != NULL;
    for (uint32_t i = 0; i < w->n_workers && enough; i++) {
        w->scratch[i].values = malloc(n_values * sizeof(float));
        w->scratch[i].blocks = malloc(n_bytes);
        enough = w->scratch[i].values && w->scratch[i].blocks;
    }
    return enough ? COLLET_OK
                  : collet_fail(err, COLLET_E_NOMEM, "no memory for %u workers of %" PRIu64 " bytes each", w->n_workers,
                                n_values * sizeof(float) + n_bytes);
}

static collet_status set_keys(work *w, collet_error *err)
{
    const collet_quantize_opts *o = w->opts;
    const collet_imatrix *im = o->imatrix;
    collet_gguf_writer_copy_keys(w->writer, o->source);
    collet_status st = collet_gguf_writer_set_u32(w->writer, "general.file_type", collet_recipe_ftype(o->recipe), err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_set_u32(w->writer, "general.quantization_version", QUANTIZATION_VERSION, err);
    if (st == COLLET_OK && im)
        st = collet_gguf_writer_set_str(w->writer, "quantize.imatrix.file", o->imatrix_name, err);
    if (st == COLLET_OK && im && collet_imatrix_dataset(im))
        st = collet_gguf_writer_set_str(w->writer, "quantize.imatrix.dataset", collet_imatrix_dataset(im), err);
    if (st == COLLET_OK && im)
        st = collet_gguf_writer_set_u32(w->writer, "quantize.imatrix.entries_count",
                                        (uint32_t)collet_imatrix_n_entries(im), err);
    if (st == COLLET_OK && im && collet_imatrix_n_chunks(im) > 0)
        st = collet_gguf_writer_set_u32(w->writer, "quantize.imatrix.chunks_count",
                                        (uint32_t)collet_imatrix_n_chunks(im), err);
    return st;
}

static collet_status begin_file(work *w, collet_error *err)
{
    collet_status st = collet_gguf_writer_create(&w->writer, err);
    if (st == COLLET_OK)
        st = set_keys(w, err);
    for (uint64_t i = 0; i < w->n_jobs && st == COLLET_OK; i++)
        st = collet_gguf_writer_add_tensor(w->writer, w->jobs[i].t, w->jobs[i].to->id, err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_open(w->writer, w->opts->out_path, w->opts->source, err);
    return st;
}

// ---- the work ----

static bool all_finite(const float *x, uint64_t n)
{
    uint32_t seen = 0; // the exponent of NaN and infinity, and no other, carries into the sign
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        seen |= (bits & 0x7f800000u) + 0x00800000u;
    }
    return (seen & 0x80000000u) == 0;
}

static collet_status check_finite(const work *w, const job *j, uint64_t row, const float *x, uint64_t n,
                                  collet_error *err)
{
    if (w->opts->allow_nonfinite || all_finite(x, n))
        return COLLET_OK;
    uint64_t i = 0;
    while (isfinite(x[i]))
        i++;
    uint64_t at = row * j->t->dims[0] + i;
    return collet_fail(err, COLLET_E_FORMAT,
                       "%s: tensor '%s' holds %s at element %" PRIu64 " (row %" PRIu64 ", column %" PRIu64
                       "); repair the model, or let it through with --allow-nonfinite",
                       collet_gguf_path(w->opts->source), j->t->name, isnan(x[i]) ? "NaN" : "infinity", at,
                       at / j->t->dims[0], at % j->t->dims[0]);
}

static collet_status encode(const job *j, uint64_t row, uint64_t n_rows, const float *x, uint8_t *out,
                            collet_error *err)
{
    const collet_codec *c = &j->encode;
    uint64_t n_cols = j->t->dims[0];
    collet_status st = COLLET_OK;
    if (!j->importance)
        return c->vt->quantize(c->mod, x, out, n_rows * n_cols, NULL, err);
    for (uint64_t i = 0; i < n_rows && st == COLLET_OK; i++)
        st = c->vt->quantize(c->mod, x + i * n_cols, out + i * row_bytes(j->t, j->to), n_cols,
                             collet_imatrix_row(j->importance, j->t, row + i), err);
    return st;
}

static collet_status do_band(work *w, const band *b, const scratch *s, collet_error *err)
{
    const job *j = &w->jobs[b->job];
    const collet_gguf_tensor *t = j->t;
    uint64_t n_in = t->n_bytes / n_rows_of(t), n_out = row_bytes(t, j->to), step = rows_per(t, PIECE_ELEMS);
    const uint8_t *in = t->data + b->row * n_in;
    collet_status st = COLLET_OK;
    for (uint64_t i = 0; i < b->n_rows && j->decode.vt && st == COLLET_OK; i += step) {
        uint64_t n = b->n_rows - i < step ? b->n_rows - i : step;
        j->decode.vt->dequantize(j->decode.mod, in + i * n_in, s->values, n * t->dims[0]);
        st = check_finite(w, j, b->row + i, s->values, n * t->dims[0], err);
        if (st == COLLET_OK && j->encode.vt) {
            st = encode(j, b->row + i, n, s->values, s->blocks + i * n_out, err);
            if (st != COLLET_OK)
                collet_fail(err, st, "tensor '%s' as %s: %s", t->name, j->to->format, err->msg);
        }
    }
    if (st == COLLET_OK)
        st = collet_gguf_writer_write(w->writer, b->job, b->row * n_out, j->encode.vt ? s->blocks : in,
                                      b->n_rows * n_out, err);
    return st;
}

static void fail_band(work *w, uint64_t number, const collet_error *err)
{
    pthread_mutex_lock(&w->lock);
    if (number < w->failed_band) {
        w->failed_band = number;
        w->error = *err;
    }
    pthread_mutex_unlock(&w->lock);
    atomic_store(&w->stop, true); // bands before this one are taken already, and finish
}

static void work_on(void *ctx, uint32_t task, uint32_t worker)
{
    work *w = ctx;
    const collet_quantize_opts *o = w->opts;
    (void)task;
    while (!atomic_load(&w->stop)) {
        if (o->cancel && atomic_load(o->cancel)) {
            atomic_store(&w->stop, true);
            break;
        }
        uint64_t number = atomic_fetch_add(&w->next_band, 1);
        if (number >= w->n_bands)
            break;
        const band *b = &w->bands[number];
        collet_error err = COLLET_ERROR_INIT;
        if (do_band(w, b, &w->scratch[worker], &err) != COLLET_OK) {
            fail_band(w, number, &err);
            break;
        }
        uint64_t n = b->n_rows * w->jobs[b->job].t->dims[0], n_done = atomic_fetch_add(&w->n_done, n) + n;
        if (worker == 0 && o->progress)
            o->progress(o->progress_ctx, n_done, w->n_elements);
    }
}

static collet_status run_bands(work *w, collet_error *err)
{
    const atomic_bool *cancel = w->opts->cancel;
    w->failed_band = UINT64_MAX;
    collet_pool_run(collet_runtime_pool(w->opts->rt), w->n_workers, work_on, w);
    if (cancel && atomic_load(cancel))
        return collet_fail(err, COLLET_E_CANCELLED, "interrupted; nothing was written to %s", w->opts->out_path);
    if (w->failed_band == UINT64_MAX)
        return COLLET_OK;
    if (err)
        *err = w->error;
    return w->error.code;
}

static void free_work(work *w)
{
    for (uint32_t i = 0; i < w->n_workers && w->scratch; i++) {
        free(w->scratch[i].values);
        free(w->scratch[i].blocks);
    }
    free(w->scratch);
    free(w->bands);
    free(w->jobs);
    collet_gguf_writer_destroy(w->writer);
    pthread_mutex_destroy(&w->lock);
}

collet_status collet_quantize(const collet_quantize_opts *opts, collet_quantize_result *result, collet_error *err)
{
    work w = { .opts = opts, .lock = PTHREAD_MUTEX_INITIALIZER };
    collet_quantize_result r = { 0 };
    collet_status st = collet_quantize_plan(opts, &r, err);
    if (st == COLLET_OK)
        st = make_jobs(&w, err);
    if (st == COLLET_OK)
        st = make_bands(&w, err);
    if (st == COLLET_OK)
        st = make_scratch(&w, err);
    if (st == COLLET_OK)
        st = begin_file(&w, err);
    double begin = collet_now_s();
    if (st == COLLET_OK)
        st = run_bands(&w, err);
    double end = collet_now_s();
    if (st == COLLET_OK)
        st = collet_gguf_writer_commit(w.writer, err);
    if (st == COLLET_OK) {
        r.file_bytes = collet_gguf_writer_file_bytes(w.writer);
        r.work_s = end - begin;
        r.sync_s = collet_now_s() - end;
        *result = r;
    }
    free_work(&w);
    return st;
}

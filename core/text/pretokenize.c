// SPDX-License-Identifier: Apache-2.0
// core/text/pretokenize.c - splitting a text into the words that BPE merges never cross, by regular expressions.
#include "core/text/pretokenize.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/text/utf8.h"

// ---- the table ----

#define GROUP(name, ...) static const char *const group_##name[] = { __VA_ARGS__, NULL };
#define PRE(name, group, flags)
#include "core/text/pretokenizers.inc"
#undef GROUP
#undef PRE

enum { CLEAN = 1, IGNORE_MERGES = 2, ADD_BOS = 4 };

typedef struct pre_entry {
    const char *name;
    const char *const *exprs;
    uint32_t flags;
} pre_entry;

static const pre_entry entries[] = {
#define GROUP(name, ...)
#define PRE(name, group, flags) { name, group_##group, flags },
#include "core/text/pretokenizers.inc"
#undef GROUP
#undef PRE
};

// ---- compiling ----

// PCRE2's \s also has U+180E, which left the separators with Unicode 6.3; every tokenizer we follow means White_Space.
#define WHITE "\\x{9}-\\x{d} \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

// What came with Unicode 15.0 and 15.1: PCRE2 10.42 knows 14.0, llama.cpp 15.1, and a text gives the same ids on every
// machine.
#define NEW_LETTERS                                                                       \
    "\\x{1123f}\\x{11240}\\x{11f02}\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}\\x{1342f}"  \
    "\\x{13441}-\\x{13446}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}\\x{1e030}-\\x{1e06d}" \
    "\\x{1e4d0}-\\x{1e4eb}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NEW_NUMBERS "\\x{11f50}-\\x{11f59}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}"
#define NEW_MARKS                                                                         \
    "\\x{cf3}\\x{ece}\\x{10efd}-\\x{10eff}\\x{11241}\\x{11f00}\\x{11f01}\\x{11f03}"       \
    "\\x{11f34}-\\x{11f3a}\\x{11f3e}-\\x{11f42}\\x{13440}\\x{13447}-\\x{13455}\\x{1e08f}" \
    "\\x{1e4ec}-\\x{1e4ef}"

typedef struct spelling {
    const char *what;
    const char *inside; // of brackets
    const char *alone;
} spelling;

static const spelling spellings[] = {
    { "\\s", WHITE, "[" WHITE "]" },
    { "\\S", NULL, "[^" WHITE "]" }, // does not occur inside
    { "\\p{L}", "\\p{L}" NEW_LETTERS, "[\\p{L}" NEW_LETTERS "]" },
    { "\\p{N}", "\\p{N}" NEW_NUMBERS, "[\\p{N}" NEW_NUMBERS "]" },
    { "\\p{M}", "\\p{M}" NEW_MARKS, "[\\p{M}" NEW_MARKS "]" },
};

// Writes out what PCRE2 means otherwise.
static void spell_out(collet_text *out, const char *expr)
{
    bool in_class = false;
    for (const char *p = expr; *p;) {
        const spelling *found = NULL;
        for (size_t i = 0; i < COLLET_COUNT(spellings) && !found; i++)
            if (strncmp(p, spellings[i].what, strlen(spellings[i].what)) == 0)
                found = &spellings[i];
        if (found) {
            const char *text = in_class ? found->inside : found->alone;
            collet_text_add(out, text, strlen(text));
            p += strlen(found->what);
            continue;
        }
        in_class = *p == '[' || (in_class && *p != ']');
        size_t n = *p == '\\' ? 2 : 1;
        collet_text_add(out, p, n);
        p += n;
    }
}

static collet_status compile(void **out, const char *name, const char *expr, collet_error *err)
{
    collet_text full = { 0 };
    spell_out(&full, expr);
    if (full.failed) {
        collet_text_free(&full);
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the pre-tokenizer %s", name);
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)full.data, full.n_bytes,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    collet_text_free(&full);
    if (!compiled && code == PCRE2_ERROR_NOMEMORY)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the pre-tokenizer %s", name);
    if (!compiled) {
        PCRE2_UCHAR why[120];
        pcre2_get_error_message(code, why, sizeof why);
        return collet_fail(err, COLLET_E_INTERNAL, "the pre-tokenizer %s does not compile: %s at %zu", name,
                           (const char *)why, (size_t)at);
    }
    // May fail, where memory must not be executable: matching is then interpreted, slower and the same.
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    *out = compiled;
    return COLLET_OK;
}

static collet_status unknown(const char *name, collet_error *err)
{
    const char *names[COLLET_COUNT(entries)];
    for (size_t i = 0; i < COLLET_COUNT(entries); i++)
        names[i] = entries[i].name;
    const char *near = collet_nearest(name, names, COLLET_COUNT(names));
    char shown[80];
    collet_escape(shown, sizeof shown, name, strlen(name));
    if (near)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "unknown pre-tokenizer '%s'; the nearest known one is '%s'",
                           shown, near);
    return collet_fail(err, COLLET_E_UNSUPPORTED,
                       "unknown pre-tokenizer '%s'; %zu are known, such as gpt-2, llama-bpe "
                       "and qwen2",
                       shown, COLLET_COUNT(entries));
}

collet_status collet_pretokenizer_init(collet_pretokenizer *p, const char *name, collet_error *err)
{
    const pre_entry *entry = NULL;
    for (size_t i = 0; i < COLLET_COUNT(entries) && !entry; i++)
        if (strcmp(entries[i].name, name) == 0)
            entry = &entries[i];
    if (!entry)
        return unknown(name, err);
    p->clean_spaces = entry->flags & CLEAN;
    p->ignore_merges = entry->flags & IGNORE_MERGES;
    p->add_bos = entry->flags & ADD_BOS;
    collet_status st = COLLET_OK;
    for (const char *const *expr = entry->exprs; *expr && st == COLLET_OK; expr++) {
        st = compile(&p->exprs[p->n_exprs], name, *expr, err);
        p->n_exprs += st == COLLET_OK ? 1 : 0;
    }
    return st;
}

void collet_pretokenizer_finish(collet_pretokenizer *p)
{
    for (uint32_t i = 0; i < p->n_exprs; i++)
        pcre2_code_free(p->exprs[i]);
    *p = (collet_pretokenizer){ 0 };
}

// ---- matching ----

// A match may take a few steps per byte of the run it looks at, never a power of it: the expressions are written so.
#define STEPS_MIN 1000000u
#define STEPS_PER_BYTE 8u
#define HEAP_KIB_MAX (256u * 1024u) // of the interpreter; machine code uses a fixed stack

collet_status collet_split_init(collet_split *split, size_t n_bytes_max, collet_error *err)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    split->context = context;
    split->match = pcre2_match_data_create(1, NULL);
    if (!split->match || !context)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to match regular expressions");
    uint64_t steps = STEPS_MIN + (uint64_t)n_bytes_max * STEPS_PER_BYTE;
    pcre2_set_match_limit(context, steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps);
    pcre2_set_heap_limit(context, HEAP_KIB_MAX);
    return COLLET_OK;
}

void collet_split_finish(collet_split *split)
{
    pcre2_match_data_free(split->match);
    pcre2_match_context_free(split->context);
    *split = (collet_split){ 0 };
}

typedef struct splitter {
    const collet_pretokenizer *p;
    const collet_split *split;
    collet_word_fn *word;
    void *ctx;
    collet_error *err;
} splitter;

// The first match at or behind `from`. 1: found, 0: none, otherwise PCRE2's error.
static int find(size_t *begin, size_t *end, const splitter *s, uint32_t level, const char *text, size_t n, size_t from)
{
    const pcre2_code *expr = s->p->exprs[level];
    const collet_split *m = s->split;
    uint32_t options = PCRE2_NO_UTF_CHECK | m->options;
    int rc = pcre2_match(expr, (PCRE2_SPTR)text, n, from, options, m->match, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(expr, (PCRE2_SPTR)text, n, from, options | PCRE2_NO_JIT, m->match, m->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0)
        return rc;
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer(s->split->match);
    *begin = where[0];
    *end = where[1];
    return 1;
}

// Depth is bounded by n_exprs.
static collet_status split_at(const splitter *s, uint32_t level, const char *text, size_t n)
{
    if (level == s->p->n_exprs)
        return s->word(s->ctx, text, n);
    collet_status st = COLLET_OK;
    size_t done = 0, from = 0;
    while (from < n && st == COLLET_OK) {
        size_t begin = 0, end = 0;
        int rc = find(&begin, &end, s, level, text, n, from);
        if (rc < 0)
            return collet_fail(s->err, COLLET_E_UNSUPPORTED,
                               "the pre-tokenizer cannot split a stretch of %zu bytes within its limits (PCRE2 error "
                               "%d): break the text up",
                               n, rc);
        if (rc == 0)
            break;
        if (end == begin) { // no expression of the table matches nothing; but none may stand still either
            from = end + 1;
            continue;
        }
        if (begin > done)
            st = split_at(s, level + 1, text + done, begin - done);
        if (st == COLLET_OK)
            st = split_at(s, level + 1, text + begin, end - begin);
        done = from = end;
    }
    if (st == COLLET_OK && done < n)
        st = split_at(s, level + 1, text + done, n - done);
    return st;
}

collet_status collet_pretokenize(const collet_pretokenizer *p, const collet_split *split, const char *text,
                                 size_t n_bytes, collet_word_fn *word, void *ctx, collet_error *err)
{
    splitter s = { .p = p, .split = split, .word = word, .ctx = ctx, .err = err };
    return split_at(&s, 0, text, n_bytes);
}

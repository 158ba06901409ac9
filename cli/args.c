// SPDX-License-Identifier: Apache-2.0
// cli/args.c
#include "cli/args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/schema.h"

// ---- tables ----

static const collet_flag global_flags[] = {
    { .name = "verbose", .short_name = 'v', .type = COLLET_OPT_BOOL, .help = "say more on stderr" },
    { .name = "quiet", .short_name = 'q', .type = COLLET_OPT_BOOL, .help = "say nothing but errors" },
    { .name = "help", .short_name = 'h', .type = COLLET_OPT_BOOL, .help = "show this page" },
    { .name = NULL },
};

static const collet_flag json_flags[] = {
    { .name = "json", .type = COLLET_OPT_BOOL, .help = "print JSON" },
    { .name = NULL },
};

static const collet_flag profile_flags[] = {
    { .name = "profile",
      .type = COLLET_OPT_STR,
      .metavar = "FILE",
      .help = "read this profile (environment: COLLET_PROFILE)" },
    { .name = "set",
      .type = COLLET_OPT_STR,
      .metavar = "KEY=VALUE",
      .help = "set a key of the profile: slots.matmul=ID, engine.threads=2, options.MODULE.KEY=VALUE",
      .repeatable = true },
    { .name = "threads", .type = COLLET_OPT_STR, .metavar = "N", .key = "engine.threads" },
    { .name = "context", .type = COLLET_OPT_STR, .metavar = "N", .key = "engine.context" },
    { .name = "device",
      .type = COLLET_OPT_STR,
      .metavar = "ID",
      .key = "slots.device",
      .help = "where the model runs: cpu, or sim for tests" },
    { .name = "isq",
      .type = COLLET_OPT_STR,
      .metavar = "TYPE",
      .key = "isq",
      .help = "quantize weights while loading: q4_k_m, q8_0, 4, Q4K, ...; none: as in the file" },
    { .name = "topology", .type = COLLET_OPT_STR, .metavar = "FILE", .key = "topology" },
    { .name = "imatrix", .type = COLLET_OPT_STR, .metavar = "FILE", .key = "imatrix" },
    { .name = "allow-nonfinite", .type = COLLET_OPT_BOOL, .key = "allow_nonfinite" },
    { .name = NULL },
};

static const collet_flag model_flags[] = {
    { .name = "model", .short_name = 'm', .type = COLLET_OPT_STR, .metavar = "FILE", .help = "model file (GGUF)" },
    { .name = NULL },
};

const collet_command *const collet_commands[] = {
#define COMMAND(command) &command,
#include "cli/commands.inc"
#undef COMMAND
    NULL,
};

#define TABLES_MAX 5

// The tables of a command, its own first; returns how many.
static size_t tables_of(const collet_flag *tables[TABLES_MAX], const collet_command *c)
{
    size_t n = 0;
    if (c->shared & COLLET_FLAGS_MODEL)
        tables[n++] = model_flags;
    if (c->flags)
        tables[n++] = c->flags;
    if (c->shared & COLLET_FLAGS_PROFILE)
        tables[n++] = profile_flags;
    if (c->shared & COLLET_FLAGS_JSON)
        tables[n++] = json_flags;
    tables[n++] = global_flags;
    return n;
}

// What a flag's value must be: of its profile key where it has one, else as the flag says.
static collet_option_info option_of(const collet_flag *f)
{
    int key = f->key ? collet_schema_find_key(f->key) : -1;
    if (key >= 0)
        return collet_schema_keys[key].option;
    bool any = f->min == 0 && f->max == 0;
    return (collet_option_info){ .key = f->name,
                                 .help = f->help,
                                 .dflt = f->dflt,
                                 .choices = f->choices,
                                 .type = f->type,
                                 .min = any ? -1e300 : f->min,
                                 .max = any ? 1e300 : f->max };
}

static const collet_flag *find_flag(const collet_command *c, const char *name, size_t n_name)
{
    const collet_flag *tables[TABLES_MAX];
    size_t n = tables_of(tables, c);
    for (size_t i = 0; i < n; i++)
        for (const collet_flag *f = tables[i]; f->name; f++)
            if (strlen(f->name) == n_name && strncmp(f->name, name, n_name) == 0)
                return f;
    return NULL;
}

static const collet_flag *find_short(const collet_command *c, char name)
{
    const collet_flag *tables[TABLES_MAX];
    size_t n = tables_of(tables, c);
    for (size_t i = 0; i < n; i++)
        for (const collet_flag *f = tables[i]; f->name; f++)
            if (f->short_name && f->short_name == name)
                return f;
    return NULL;
}

static const char *nearest_flag(const collet_command *c, const char *name)
{
    const collet_flag *tables[TABLES_MAX];
    const char *names[COLLET_ARGS_MAX];
    size_t n = tables_of(tables, c), n_names = 0;
    for (size_t i = 0; i < n; i++)
        for (const collet_flag *f = tables[i]; f->name && n_names < COLLET_COUNT(names); f++)
            names[n_names++] = f->name;
    return collet_nearest(name, names, n_names);
}

// ---- parsing ----

typedef struct cursor {
    int argc, i;
    char **argv;
} cursor;

static collet_status unknown_flag(const collet_command *c, const char *text, collet_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    const char *bare = name + strspn(name, "-");
    const char *nearest = nearest_flag(c, bare);
    if (nearest)
        return collet_fail(err, COLLET_E_INVALID, "%s has no flag %s; did you mean --%s?", c->name, name, nearest);
    return collet_fail(err, COLLET_E_INVALID, "%s has no flag %s; `collet help %s` lists them", c->name, name, c->name);
}

static collet_status add_given(collet_args *args, const collet_flag *f, const char *text, collet_error *err)
{
    if (args->n_given == COLLET_ARGS_MAX)
        return collet_fail(err, COLLET_E_INVALID, "more than %d flags", COLLET_ARGS_MAX);
    args->given[args->n_given].flag = f;
    args->given[args->n_given].text = text;
    collet_value *value = &args->given[args->n_given].value;
    args->n_given++;
    if (f->type == COLLET_OPT_BOOL) {
        *value = (collet_value){ .type = COLLET_OPT_BOOL, .is_set = 1, .u.i = 1 };
        args->help = args->help || strcmp(f->name, "help") == 0;
        if (strcmp(f->name, "verbose") == 0)
            args->log_level = COLLET_LOG_DEBUG;
        else if (strcmp(f->name, "quiet") == 0)
            args->log_level = COLLET_LOG_ERROR;
        return COLLET_OK;
    }
    const collet_option_info option = option_of(f);
    collet_error why = COLLET_ERROR_INIT;
    if (collet_option_parse(value, &option, text, &why) != COLLET_OK)
        return collet_fail(err, COLLET_E_INVALID, "--%s: %s", f->name, why.msg);
    return COLLET_OK;
}

// `value` is what stands after '=' or after the letter; NULL: the next argument.
static collet_status take_flag(collet_args *args, cursor *at, const collet_flag *f, const char *value,
                               collet_error *err)
{
    if (f->type == COLLET_OPT_BOOL) {
        if (value)
            return collet_fail(err, COLLET_E_INVALID, "--%s is a switch and takes no value", f->name);
        return add_given(args, f, NULL, err);
    }
    if (!value && at->i + 1 == at->argc)
        return collet_fail(err, COLLET_E_INVALID, "--%s needs a value: --%s %s", f->name, f->name,
                           f->metavar ? f->metavar : "VALUE");
    return add_given(args, f, value ? value : at->argv[++at->i], err);
}

static collet_status parse_one(collet_args *args, cursor *at, bool *only_operands, collet_error *err)
{
    char *text = at->argv[at->i];
    if (!*only_operands && strcmp(text, "--") == 0) {
        *only_operands = true;
        return COLLET_OK;
    }
    if (*only_operands || text[0] != '-' || text[1] == '\0') { // "-" is stdin
        if (args->n_operands == COLLET_ARGS_MAX)
            return collet_fail(err, COLLET_E_INVALID, "more than %d operands", COLLET_ARGS_MAX);
        args->operands[args->n_operands++] = text;
        return COLLET_OK;
    }
    if (text[1] != '-') { // -mFILE, -m FILE
        const collet_flag *f = find_short(args->command, text[1]);
        return f ? take_flag(args, at, f, text[2] ? text + 2 : NULL, err) : unknown_flag(args->command, text, err);
    }
    const char *equals = strchr(text, '=');
    size_t n_name = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
    const collet_flag *f = find_flag(args->command, text + 2, n_name);
    return f ? take_flag(args, at, f, equals ? equals + 1 : NULL, err) : unknown_flag(args->command, text, err);
}

static collet_status check_operands(const collet_args *args, collet_error *err)
{
    const collet_command *c = args->command;
    if (args->n_operands < c->n_operands_min)
        return collet_fail(err, COLLET_E_INVALID, "%s needs %s", c->name, c->operands ? c->operands : "more words");
    if (args->n_operands > c->n_operands_max)
        return collet_fail(err, COLLET_E_INVALID, "%s: '%s' is one word too many; quote a text that has blanks",
                           c->name, args->operands[c->n_operands_max]);
    return COLLET_OK;
}

collet_status collet_args_parse(collet_args *args, const collet_command *command, int argc, char **argv,
                                collet_error *err)
{
    bool only_operands = false;
    *args = (collet_args){ .command = command, .log_level = COLLET_LOG_INFO };
    cursor at = { .argc = argc, .argv = argv };
    for (; at.i < argc; at.i++) {
        collet_status st = parse_one(args, &at, &only_operands, err);
        if (args->help)
            return COLLET_OK;
        if (st != COLLET_OK)
            return st;
    }
    return check_operands(args, err);
}

// ---- answers ----

static size_t find_given(const collet_args *args, const char *name)
{
    size_t i = args->n_given;
    while (i > 0 && strcmp(args->given[i - 1].flag->name, name) != 0)
        i--;
    return i; // 1 + the last one's index; 0: not given
}

// Given, else the default, else zero.
static collet_value value_of(const collet_args *args, const char *name)
{
    size_t i = find_given(args, name);
    if (i > 0)
        return args->given[i - 1].value;
    const collet_flag *f = find_flag(args->command, name, strlen(name));
    collet_value value = { 0 };
    if (f && f->dflt && !f->key) {
        const collet_option_info option = option_of(f);
        collet_option_default(&value, &option, NULL);
    }
    return value;
}

bool collet_args_given(const collet_args *args, const char *name)
{
    return find_given(args, name) > 0;
}

const char *collet_args_text(const collet_args *args, const char *name)
{
    size_t i = find_given(args, name);
    if (i > 0)
        return args->given[i - 1].text;
    const collet_flag *f = find_flag(args->command, name, strlen(name));
    return f ? f->dflt : NULL;
}

int64_t collet_args_int(const collet_args *args, const char *name)
{
    collet_value value = value_of(args, name);
    return value.type == COLLET_OPT_INT || value.type == COLLET_OPT_BYTES ? value.u.i : 0;
}

double collet_args_float(const collet_args *args, const char *name)
{
    collet_value value = value_of(args, name);
    return value.type == COLLET_OPT_FLOAT ? value.u.f : 0.0;
}

bool collet_args_bool(const collet_args *args, const char *name)
{
    collet_value value = value_of(args, name);
    return value.type == COLLET_OPT_BOOL && value.u.i != 0;
}

size_t collet_args_count(const collet_args *args, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < args->n_given; i++)
        n += strcmp(args->given[i].flag->name, name) == 0;
    return n;
}

const char *collet_args_nth(const collet_args *args, const char *name, size_t i)
{
    for (size_t k = 0; k < args->n_given; k++)
        if (strcmp(args->given[k].flag->name, name) == 0 && i-- == 0)
            return args->given[k].text;
    return NULL;
}

collet_status collet_args_ids(uint32_t **ids, size_t *n_ids, const char *text, collet_error *err)
{
    size_t n_max = 1, n = 0;
    for (const char *c = text; *c; c++)
        n_max += *c == ',';
    uint32_t *list = calloc(n_max, sizeof *list);
    if (!list)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %zu ids", n_max);
    for (const char *c = text; *c && n < n_max; n++) {
        char *end = NULL;
        unsigned long long id = *c >= '0' && *c <= '9' ? strtoull(c, &end, 10) : 0;
        if (!end || id > UINT32_MAX || (*end != '\0' && (*end != ',' || end[1] == '\0'))) {
            free(list);
            return collet_fail(err, COLLET_E_INVALID, "'%.60s' is not a list of token ids such as 1,2,3", c);
        }
        list[n] = (uint32_t)id;
        c = *end ? end + 1 : end;
    }
    if (n == 0) {
        free(list);
        return collet_fail(err, COLLET_E_INVALID, "the list of token ids is empty");
    }
    *ids = list;
    *n_ids = n;
    return COLLET_OK;
}

// ---- help ----

// Texts of the profile's table are sentences, those of flags are not: both become the latter.
static void add_help(collet_text *t, const char *help)
{
    size_t n = strlen(help);
    collet_text_printf(t, "%c", islower((unsigned char)help[1]) ? tolower((unsigned char)help[0]) : help[0]);
    collet_text_add(t, help + 1, n > 1 && help[n - 1] == '.' ? n - 2 : n - 1);
}

// Words, broken between blanks, from column HELP_INDENT to HELP_WIDTH.
#define HELP_INDENT 33
#define HELP_WIDTH 110
static void print_words(FILE *out, const char *text)
{
    size_t column = HELP_INDENT;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > HELP_INDENT && column + 1 + n > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)n, text);
        column += n;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void print_flag(FILE *out, const collet_flag *f)
{
    char left[64], range[192] = "";
    const collet_option_info option = option_of(f);
    const char *help = f->help ? f->help : option.help;
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", f->short_name ? '-' : ' ', f->short_name ? f->short_name : ' ',
             f->short_name ? ", " : "  ", f->name, f->metavar ? " " : "", f->metavar ? f->metavar : "");
    if (f->type != COLLET_OPT_BOOL)
        collet_option_range(range, sizeof range, &option);
    collet_text t = { 0 };
    if (help && help[0])
        add_help(&t, help);
    if (range[0])
        collet_text_printf(&t, " (%s)", range);
    if (f->repeatable)
        collet_text_printf(&t, "; may be repeated");
    fprintf(out, "  %-30s ", left);
    print_words(out, t.data ? t.data : "");
    collet_text_free(&t);
}

void collet_args_print_help(FILE *out, const collet_command *c)
{
    const collet_flag *tables[TABLES_MAX];
    size_t n = tables_of(tables, c);
    fprintf(out, "usage: collet %s [flags]%s%s\n\n%c%s.\n\n", c->name, c->operands ? " " : "",
            c->operands ? c->operands : "", toupper((unsigned char)c->summary[0]), c->summary + 1);
    for (size_t i = 0; i < n; i++)
        for (const collet_flag *f = tables[i]; f->name; f++)
            print_flag(out, f);
    if (c->details)
        fprintf(out, "\n%s\n", c->details);
}

// ---- commands ----

const collet_command *collet_command_find(int argc, char **argv, int *n_words, const char **nearest)
{
    const char *names[64];
    size_t n_names = 0;
    char two[128];
    snprintf(two, sizeof two, "%s %s", argv[0], argc > 1 ? argv[1] : "");
    for (size_t i = 0; collet_commands[i]; i++) {
        const char *name = collet_commands[i]->name;
        bool has_two = strchr(name, ' ') != NULL;
        if (strcmp(name, has_two ? two : argv[0]) == 0) {
            *n_words = has_two ? 2 : 1;
            return collet_commands[i];
        }
        if (n_names < COLLET_COUNT(names))
            names[n_names++] = name;
    }
    if (nearest) {
        *nearest = argc > 1 ? collet_nearest(two, names, n_names) : NULL;
        if (!*nearest)
            *nearest = collet_nearest(argv[0], names, n_names);
    }
    return NULL;
}

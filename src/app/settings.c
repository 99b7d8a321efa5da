// SPDX-License-Identifier: Apache-2.0
#include "app/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "codec/json.h"

typedef enum SettingType {
    TYPE_TEXT,
    TYPE_NUMBER,
    TYPE_DURATION,
    TYPE_BYTES,
} SettingType;

typedef struct Setting {
    const char *path, *default_text, *help;
    SettingType type;
    size_t offset;
} Setting;

static const Setting table[] = {
#define SETTINGS_ROW(field, type_name, path_text, default_value, help_text)                        \
    {.path = path_text,                                                                            \
     .default_text = default_value,                                                                \
     .help = help_text,                                                                            \
     .type = TYPE_##type_name,                                                                     \
     .offset = offsetof(Settings, field)},
    SETTINGS(SETTINGS_ROW)
#undef SETTINGS_ROW
};

/* Kinds of parts, in the Collector's order; those that the table has settings of. */
static const char *const kinds[] = {"receivers", "processors", "exporters", "connectors",
                                    "extensions"};

static const char *const log_levels[] = {"debug", "info", "warn", "error"};

typedef struct Unit {
    const char *name;
    double factor;
} Unit;

static const Unit duration_units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
                                      {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9}};
static const Unit byte_units[] = {{"", 1},
                                  {"B", 1},
                                  {"kB", 1e3},
                                  {"KB", 1e3},
                                  {"MB", 1e6},
                                  {"GB", 1e9},
                                  {"TB", 1e12},
                                  {"KiB", 1024},
                                  {"MiB", 1048576},
                                  {"GiB", 1073741824},
                                  {"TiB", 1099511627776}};

static int parse_with_unit(Str text, const Unit *units, size_t n_units, uint64_t *ret_value)
{
    size_t digits = 0;
    double number;

    while (digits < text.len && (ascii_is_digit(text.ptr[digits]) || text.ptr[digits] == '.')) {
        digits++;
    }
    TRY(str_parse_double(str_slice(text, 0, digits), &number));
    Str unit = str_trim(str_slice(text, digits, text.len));
    for (size_t i = 0; i < n_units; i++) {
        if (str_equal(unit, str_from_cstr(units[i].name)) && number * units[i].factor < 1e19) {
            *ret_value = (uint64_t)(number * units[i].factor);
            return 0;
        }
    }
    return 1;
}

int settings_parse_duration(Str text, uint64_t *ret_ns)
{
    if (str_equal(text, STR("0"))) {
        *ret_ns = 0;
        return 0;
    }
    return parse_with_unit(text, duration_units, ARRAY_LEN(duration_units), ret_ns);
}

int settings_parse_bytes(Str text, uint64_t *ret_bytes)
{
    return parse_with_unit(text, byte_units, ARRAY_LEN(byte_units), ret_bytes);
}

static int parse_value(const Setting *setting, Str value, Settings *settings)
{
    void *field = (uint8_t *)settings + setting->offset;

    switch (setting->type) {
    case TYPE_TEXT:
        *(Str *)field = arena_copy(&settings->arena, value);
        return 0;
    case TYPE_NUMBER:
        return str_parse_u64(value, field);
    case TYPE_DURATION:
        return settings_parse_duration(value, field);
    case TYPE_BYTES:
        return settings_parse_bytes(value, field);
    }
    return 1;
}

void settings_init(Settings *settings)
{
    *settings = (Settings){0};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (parse_value(&table[i], str_from_cstr(table[i].default_text), settings) != 0) {
            __builtin_trap(); /* a default of the table that its own type does not read */
        }
    }
}

void settings_deinit(Settings *settings)
{
    arena_deinit(&settings->arena);
}

/* How many letters two paths share from the front and from the back: a cheap measure of nearness.
 */
static size_t likeness(Str a, Str b)
{
    size_t front = 0, back = 0, shorter = MIN(a.len, b.len);

    while (front < shorter && a.ptr[front] == b.ptr[front]) {
        front++;
    }
    while (back < shorter - front && a.ptr[a.len - 1 - back] == b.ptr[b.len - 1 - back]) {
        back++;
    }
    return front + back;
}

static const Setting *nearest(Str path)
{
    const Setting *best = &table[0];

    for (size_t i = 1; i < ARRAY_LEN(table); i++) {
        if (likeness(path, str_from_cstr(table[i].path)) >
            likeness(path, str_from_cstr(best->path))) {
            best = &table[i];
        }
    }
    return best;
}

/* The part of @kind that the setting belongs to; empty: of another kind. */
static Str part_of(const Setting *setting, Str kind)
{
    Str first, rest, name;

    (void)str_split(str_from_cstr(setting->path), '.', &first, &rest);
    (void)str_split(rest, '.', &name, &rest);
    return str_equal(first, kind) ? name : (Str){0};
}

static bool has_part(Str kind, Str name)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_equal(part_of(&table[i], kind), name)) {
            return true;
        }
    }
    return false;
}

static bool has_kind(Str kind)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (part_of(&table[i], kind).len > 0) {
            return true;
        }
    }
    return false;
}

/* Sections of the Collector's configuration that say how parts are joined: in this version the join
 * is fixed, so they are accepted as long as they name only what there is. */
static int check_part(Str path, Str name, Buf *why)
{
    Str kind = path;

    for (size_t i = path.len; i > 0 && kind.len == path.len; i--) {
        if (path.ptr[i - 1] == '.') {
            kind = str_slice(path, i, path.len);
        }
    }
    if (name.len > 0 && has_part(kind, name)) {
        return 0;
    }
    buf_append_format(why, "%.*s: there is no \"%.*s\" among the %.*s; weft components lists them",
                      STR_ARG(path), STR_ARG(name), STR_ARG(kind));
    return 1;
}

static int check_log_level(const Setting *setting, Str value, Buf *why)
{
    for (size_t i = 0; i < ARRAY_LEN(log_levels); i++) {
        if (setting->offset != offsetof(Settings, log_level) ||
            str_equal(value, str_from_cstr(log_levels[i]))) {
            return 0;
        }
    }
    buf_append_format(why, "%s is debug, info, warn or error, not \"%.*s\"", setting->path,
                      STR_ARG(value));
    return 1;
}

int settings_set(Settings *settings, Str path, Str value, Buf *why)
{
    static const char *const examples[] = {[TYPE_TEXT] = "text",
                                           [TYPE_NUMBER] = "a whole number",
                                           [TYPE_DURATION] = "a duration like 5s or 7d",
                                           [TYPE_BYTES] = "a size like 64MiB or 10GB"};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (!str_equal(path, str_from_cstr(table[i].path))) {
            continue;
        }
        TRY(check_log_level(&table[i], value, why));
        if (parse_value(&table[i], value, settings) != 0) {
            buf_append_format(why, "%s takes %s, not \"%.*s\"", table[i].path,
                              examples[table[i].type], STR_ARG(value));
            return 1;
        }
        return 0;
    }
    if (str_starts_with(path, STR("service.pipelines.")) ||
        str_equal(path, STR("service.extensions"))) {
        return check_part(path, value, why);
    }
    buf_append_format(why, "there is no setting %.*s; the nearest is %s", STR_ARG(path),
                      nearest(path)->path);
    return 1;
}

/* Walks a YAML document as events; @path is the key path of the mapping that is open. */
typedef struct YamlWalk {
    yaml_parser_t parser;
    Settings *settings;
    const char *file;
    Buf path;
    Buf *why;
} YamlWalk;

static int walk_fail(YamlWalk *walk, size_t line, const char *text)
{
    CLEANUP(buf_deinit) Buf detail = {0};

    buf_append_str(&detail, buf_str(walk->why));
    buf_clear(walk->why);
    buf_append_format(walk->why, "%s, line %zu: %s%.*s", walk->file, line + 1, text,
                      STR_ARG(buf_str(&detail)));
    return 1;
}

static int next_event(YamlWalk *walk, yaml_event_t *event)
{
    if (!yaml_parser_parse(&walk->parser, event)) {
        return walk_fail(walk, walk->parser.problem_mark.line,
                         walk->parser.problem == NULL ? "no YAML" : walk->parser.problem);
    }
    return 0;
}

static int walk_value(YamlWalk *walk, const yaml_event_t *event, size_t depth);

static int set_scalar(YamlWalk *walk, const yaml_event_t *event)
{
    Str value = str_from_bytes(event->data.scalar.value, event->data.scalar.length);

    if (value.len == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        return 0; /* `otlp:` alone: the part with its defaults */
    }
    if (settings_set(walk->settings, buf_str(&walk->path), value, walk->why) != 0) {
        return walk_fail(walk, event->start_mark.line, "");
    }
    return 0;
}

static int walk_mapping(YamlWalk *walk, size_t depth)
{
    size_t outer = walk->path.len;

    for (;;) {
        yaml_event_t key, value;

        TRY(next_event(walk, &key));
        if (key.type != YAML_SCALAR_EVENT) {
            bool end = key.type == YAML_MAPPING_END_EVENT;
            size_t line = key.start_mark.line;
            yaml_event_delete(&key);
            return end ? 0 : walk_fail(walk, line, "a key must be plain text");
        }
        if (outer > 0) {
            buf_append_byte(&walk->path, '.');
        }
        buf_append(&walk->path, key.data.scalar.value, key.data.scalar.length);
        yaml_event_delete(&key);
        TRY(next_event(walk, &value));
        int r = walk_value(walk, &value, depth + 1);
        yaml_event_delete(&value);
        TRY(r);
        walk->path.len = outer;
    }
}

static int walk_sequence(YamlWalk *walk, size_t depth)
{
    for (;;) {
        yaml_event_t item;

        TRY(next_event(walk, &item));
        bool end = item.type == YAML_SEQUENCE_END_EVENT;
        int r = end ? 0 : walk_value(walk, &item, depth + 1);
        yaml_event_delete(&item);
        TRY(r);
        if (end) {
            return 0;
        }
    }
}

static int walk_value(YamlWalk *walk, const yaml_event_t *event, size_t depth)
{
    if (depth > SETTINGS_DEPTH_MAX) {
        return walk_fail(walk, event->start_mark.line, "nested too deep");
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return set_scalar(walk, event);
    case YAML_MAPPING_START_EVENT:
        return walk_mapping(walk, depth);
    case YAML_SEQUENCE_START_EVENT:
        return walk_sequence(walk, depth);
    default:
        return walk_fail(walk, event->start_mark.line, "aliases are not supported");
    }
}

static int walk_stream(YamlWalk *walk)
{
    for (;;) {
        yaml_event_t event;

        TRY(next_event(walk, &event));
        yaml_event_type_t type = event.type;
        int r = type == YAML_SCALAR_EVENT || type == YAML_MAPPING_START_EVENT ||
                        type == YAML_SEQUENCE_START_EVENT
                    ? walk_value(walk, &event, 0)
                    : 0;
        yaml_event_delete(&event);
        TRY(r);
        if (type == YAML_STREAM_END_EVENT) {
            return 0;
        }
    }
}

int settings_load(Settings *settings, const char *file, Buf *why)
{
    YamlWalk walk = {.settings = settings, .file = file, .why = why};
    FILE *input = fopen(file, "rb");

    if (input == NULL) {
        buf_append_format(why, "%s cannot be read: %s", file, strerrordesc_np(errno));
        return 1;
    }
    yaml_parser_initialize(&walk.parser);
    yaml_parser_set_input_file(&walk.parser, input);
    int r = walk_stream(&walk);
    yaml_parser_delete(&walk.parser);
    buf_deinit(&walk.path);
    fclose(input);
    return r;
}

void settings_compare(const Settings *a, const Settings *b,
                      void (*visit)(void *context, const char *path), void *context)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const void *x = (const uint8_t *)a + table[i].offset;
        const void *y = (const uint8_t *)b + table[i].offset;
        bool is_same = table[i].type == TYPE_TEXT ? str_equal(*(const Str *)x, *(const Str *)y)
                                                  : *(const uint64_t *)x == *(const uint64_t *)y;

        if (!is_same) {
            visit(context, table[i].path);
        }
    }
}

void settings_print_help(Buf *buf)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        buf_append_format(buf, "  %s\n      %s (default: %s)\n", table[i].path, table[i].help,
                          table[i].default_text[0] == '\0' ? "none" : table[i].default_text);
    }
}

LogLevel settings_log_level(const Settings *settings)
{
    for (size_t i = 0; i < ARRAY_LEN(log_levels); i++) {
        if (str_equal(settings->log_level, str_from_cstr(log_levels[i]))) {
            return (LogLevel)i;
        }
    }
    return LOG_INFO;
}

/* --- As YAML --- */

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const Setting *const *)a)->path, (*(const Setting *const *)b)->path);
}

/* In the largest unit that tells it exactly; units grow. */
static void print_with_unit(uint64_t value, const Unit *units, size_t n_units, Buf *buf)
{
    const Unit *best = &units[0];

    for (size_t i = 1; i < n_units; i++) {
        if (value > 0 && value % (uint64_t)units[i].factor == 0 && units[i].factor > best->factor) {
            best = &units[i];
        }
    }
    buf_append_format(buf, "%llu%s", (unsigned long long)(value / (uint64_t)best->factor),
                      best->name);
}

static void print_value(const Settings *settings, const Setting *setting, Buf *buf)
{
    const void *field = (const uint8_t *)settings + setting->offset;
    JsonWriter json = {.buf = buf};

    switch (setting->type) {
    case TYPE_TEXT:
        json_string(&json, *(const Str *)field); /* is a double-quoted text of YAML, too */
        break;
    case TYPE_NUMBER:
        buf_append_u64(buf, *(const uint64_t *)field);
        break;
    case TYPE_DURATION:
        print_with_unit(*(const uint64_t *)field, duration_units, ARRAY_LEN(duration_units), buf);
        break;
    case TYPE_BYTES:
        print_with_unit(*(const uint64_t *)field, byte_units, ARRAY_LEN(byte_units), buf);
        break;
    }
    buf_append_byte(buf, '\n');
}

/* How many keys from the top two paths share. */
static size_t shared_keys(Str path, Str before)
{
    size_t n = 0;

    for (size_t i = 0; i < path.len && i < before.len && path.ptr[i] == before.ptr[i]; i++) {
        n += path.ptr[i] == '.';
    }
    return n;
}

void settings_print_yaml(const Settings *settings, Buf *buf)
{
    const Setting *sorted[ARRAY_LEN(table)];
    Str before = {0};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        sorted[i] = &table[i];
    }
    qsort(sorted, ARRAY_LEN(table), sizeof(sorted[0]), by_path);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        Str path = str_from_cstr(sorted[i]->path), rest = path, key;
        size_t shared = shared_keys(path, before);
        bool more = true;

        for (size_t depth = 0; more; depth++) {
            more = str_split(rest, '.', &key, &rest);
            if (depth >= shared) {
                buf_append_format(buf, "%*s%.*s:%s", (int)depth * 2, "", STR_ARG(key),
                                  more ? "\n" : " ");
            }
        }
        print_value(settings, sorted[i], buf);
        before = path;
    }
}

void settings_print_components(Buf *buf)
{
    buf_append_str(buf, STR("buildinfo:\n  command: weft\n  version: " WEFT_VERSION "\n"));
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        Str kind = str_from_cstr(kinds[k]), before = {0};
        bool any = has_kind(kind);

        buf_append_format(buf, "%s:%s\n", kinds[k], any ? "" : " []");
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            Str name = part_of(&table[i], kind);

            if (name.len > 0 && !str_equal(name, before)) {
                buf_append_format(buf, "  - name: %.*s\n", STR_ARG(name));
                before = name;
            }
        }
    }
}

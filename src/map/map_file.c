// SPDX-License-Identifier: Apache-2.0
#include "map/map_file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/varint.h"
#include "store/parquet.h"

/*
 * One table for all kinds of rows, because they share most columns and dictionaries, and one file
 * is one thing to commit. A sketch is a blob in its own compact form: as a list of buckets it would
 * take four times the space and nobody but the map adds sketches up.
 */
enum {
    CHUNK_ROWS = 1 << 16,
    EXEMPLAR_BYTES = TRACE_ID_SIZE + 8 + 8 + 1, /* and a varint */
};

#define FORMAT_KEY STR("weft.map_table")
#define FORMAT_VERSION STR("1")
#define FORMAT_VERSION_2 STR("2") /* has `minutes` and `presence` */

/* Hostile sums must not overflow when a whole file of them is added up. */
#define COUNT_MAX ((int64_t)1 << 38)
#define ADJUSTED_MAX ((Adjusted)1 << 102)

typedef enum Column {
    COLUMN_KIND,
    COLUMN_RELATION,
    COLUMN_RULE,
    COLUMN_MINUTE,
    COLUMN_SOURCE,
    COLUMN_TARGET,
    COLUMN_VIA,
    COLUMN_NAME,
    COLUMN_VALUE,
    COLUMN_FLOW,
    COLUMN_STEP,
    COLUMN_COUNT,
    COLUMN_ERRORS,
    COLUMN_ADJUSTED,
    COLUMN_DURATION,
    COLUMN_SERVER_DURATION,
    COLUMN_EXEMPLARS,
    COLUMN_MINUTES, /* this and those behind it: version 2 */
    COLUMN_PRESENCE,
    COLUMNS,
} Column;

#define TEXT_COLUMN(text, is_optional)                                                             \
    {                                                                                              \
        .name = {"" text, sizeof(text) - 1}, .type = PARQUET_BYTES, .optional = (is_optional)      \
    }

static const ParquetColumn columns[COLUMNS] = {
    [COLUMN_KIND] = {.name = {"kind", 4}, .type = PARQUET_STRING},
    [COLUMN_RELATION] = {.name = {"relation", 8}, .type = PARQUET_STRING, .optional = true},
    [COLUMN_RULE] = {.name = {"rule", 4}, .type = PARQUET_STRING, .optional = true},
    [COLUMN_MINUTE] = {.name = {"minute", 6}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [COLUMN_SOURCE] = TEXT_COLUMN("source", false),
    [COLUMN_TARGET] = TEXT_COLUMN("target", true),
    [COLUMN_VIA] = TEXT_COLUMN("via", true),
    [COLUMN_NAME] = TEXT_COLUMN("name", true),
    [COLUMN_VALUE] = TEXT_COLUMN("value", true),
    [COLUMN_FLOW] = TEXT_COLUMN("flow", true),
    [COLUMN_STEP] = TEXT_COLUMN("step", true),
    [COLUMN_COUNT] = {.name = {"count", 5}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [COLUMN_ERRORS] = {.name = {"errors", 6}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [COLUMN_ADJUSTED] = {.name = {"adjusted", 8},
                         .type = PARQUET_FIXED,
                         .optional = true,
                         .size = sizeof(Adjusted)},
    [COLUMN_DURATION] = TEXT_COLUMN("duration", true),
    [COLUMN_SERVER_DURATION] = TEXT_COLUMN("server_duration", true),
    [COLUMN_EXEMPLARS] = TEXT_COLUMN("exemplars", true),
    [COLUMN_MINUTES] = {.name = {"minutes", 7},
                        .type = PARQUET_BYTES,
                        .optional = true,
                        .encoding = PARQUET_PLAIN},
    [COLUMN_PRESENCE] = TEXT_COLUMN("presence", true),
};

static Str kind_name(SeriesKind kind)
{
    static const Str names[SERIES_KINDS] = {
        [SERIES_EDGE] = {"edge", 4},
        [SERIES_HOP] = {"hop", 3},
        [SERIES_REQUEST] = {"request", 7},
        [SERIES_PROOF] = {"proof", 5},
        [SERIES_UNRESOLVED] = {"unresolved", 10},
        [SERIES_ORPHAN] = {"orphan", 6},
        [SERIES_FINDING] = {"finding", 7},
        [SERIES_LABEL] = {"label", 5},
        [SERIES_SPAN] = {"span", 4},
        [SERIES_NO_FLOW] = {"no_flow", 7},
        [SERIES_RUN] = {"run", 3},
        [SERIES_NO_RUN_ID] = {"no_run_id", 9},
        [SERIES_VARIANT] = {"variant", 7},
        [SERIES_START] = {"start", 5},
        [SERIES_END] = {"end", 3},
        [SERIES_STEP] = {"step", 4},
        [SERIES_NEXT] = {"next", 4},
        [SERIES_FLOW] = {"edge_flow", 9},
    };

    ASSERT(kind < SERIES_KINDS);
    return names[kind];
}

static int kind_parse(Str text, SeriesKind *ret_kind)
{
    for (SeriesKind kind = 0; kind < SERIES_KINDS; kind++) {
        if (str_equal(kind_name(kind), text)) {
            *ret_kind = kind;
            return 0;
        }
    }
    return 1;
}

static bool kind_has_relation(SeriesKind kind)
{
    return kind == SERIES_EDGE || kind == SERIES_FLOW;
}

/* --- Writing --- */

static void exemplars_append(const Exemplars *exemplars, Buf *buf)
{
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        const Exemplar *exemplar = &exemplars->items[i];

        buf_append(buf, exemplar->trace_id.bytes, TRACE_ID_SIZE);
        buf_append_u64le(buf, exemplar->start_ns);
        buf_append_u64le(buf, exemplar->duration_ns);
        buf_append_byte(buf, exemplar->error);
        zigzag_append(buf, exemplar->weight);
    }
}

static void put_text(ParquetWriter *writer, Column column, size_t at, Str text)
{
    if (text.len > 0 || !columns[column].optional) {
        parquet_put_str(writer, column, at, text);
    }
}

static void put_sketch(ParquetWriter *writer, Column column, size_t at, const Sketch *sketch)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    if (sketch->n_buckets > 0) {
        sketch_append(sketch, &buf);
        parquet_put_str(writer, column, at, buf_str(&buf));
    }
}

static void put_row(ParquetWriter *writer, size_t at, const MapRow *row)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    const CellValue *sum = &row->sum;

    parquet_put_str(writer, COLUMN_KIND, at, kind_name(row->kind));
    if (kind_has_relation(row->kind)) {
        parquet_put_str(writer, COLUMN_RELATION, at, relation_name(row->relation));
        parquet_put_str(writer, COLUMN_RULE, at, rule_name(row->rule));
    }
    parquet_put_int(writer, COLUMN_MINUTE, at, row->minute);
    put_text(writer, COLUMN_SOURCE, at, row->source);
    put_text(writer, COLUMN_TARGET, at, row->target);
    put_text(writer, COLUMN_VIA, at, row->via);
    put_text(writer, COLUMN_NAME, at, row->name);
    put_text(writer, COLUMN_VALUE, at, row->value);
    put_text(writer, COLUMN_FLOW, at, row->flow);
    put_text(writer, COLUMN_STEP, at, row->step);
    parquet_put_int(writer, COLUMN_COUNT, at, sum->count);
    parquet_put_int(writer, COLUMN_ERRORS, at, sum->errors);
    if (sum->adjusted != 0) {
        parquet_put_str(writer, COLUMN_ADJUSTED, at,
                        str_from_bytes(&sum->adjusted, sizeof(sum->adjusted)));
    }
    put_sketch(writer, COLUMN_DURATION, at, &sum->duration);
    put_sketch(writer, COLUMN_SERVER_DURATION, at, &sum->server_duration);
    exemplars_append(&row->exemplars, &buf);
    put_text(writer, COLUMN_EXEMPLARS, at, buf_str(&buf));
    put_text(writer, COLUMN_MINUTES, at, row->minutes);
    put_text(writer, COLUMN_PRESENCE, at, row->presence);
}

static int compare_rows(const MapRow *a, const MapRow *b)
{
    const Str *left = &a->source, *right = &b->source;
    int64_t order = (int64_t)a->kind - (int64_t)b->kind;

    STATIC_ASSERT(offsetof(MapRow, step) - offsetof(MapRow, source) == 6 * sizeof(Str),
                  "the names are compared as an array");
    order = order != 0 ? order : (int64_t)a->relation - (int64_t)b->relation;
    order = order != 0 ? order : (int64_t)a->rule - (int64_t)b->rule;
    for (size_t i = 0; i < 7 && order == 0; i++) {
        order = left[i].ptr == right[i].ptr && left[i].len == right[i].len
                    ? 0
                    : str_compare(left[i], right[i]);
    }
    order = order != 0 ? order : (int64_t)a->minute - (int64_t)b->minute;
    return order < 0 ? -1 : order > 0;
}

static int compare_row_pointers(const void *a, const void *b)
{
    return compare_rows(*(MapRow *const *)a, *(MapRow *const *)b);
}

static bool row_is_empty(const MapRow *row)
{
    return cell_value_is_zero(&row->sum) && row->exemplars.n_items == 0;
}

/* Writes the sum of the @n rows, which are equal but for their sums. Returns whether it is any. */
static bool put_rows(ParquetWriter *writer, size_t at, MapRow *const *rows, size_t n)
{
    MapRow sum = *rows[0];

    if (n > 1) {
        ASSERT(sum.minutes.len == 0 && sum.presence.len == 0);
        sum.sum = (CellValue){0};
        sum.exemplars = (Exemplars){0};
        for (size_t i = 0; i < n; i++) {
            cell_value_add(&sum.sum, &rows[i]->sum);
            exemplars_merge(&sum.exemplars, &rows[i]->exemplars);
        }
    }
    bool any = !row_is_empty(&sum);
    if (any) {
        put_row(writer, at, &sum);
    }
    if (n > 1) {
        cell_value_deinit(&sum.sum);
        exemplars_deinit(&sum.exemplars);
    }
    return any;
}

static bool rows_are_of_version_2(const MapRows *rows)
{
    bool are = false;

    for (size_t i = 0; i < rows->count && !are; i++) {
        are = rows->items[i].minutes.len > 0 || rows->items[i].presence.len > 0;
    }
    return are;
}

int map_file_write(const MapRows *rows, Buf *ret_file)
{
    bool version_2 = rows_are_of_version_2(rows);
    size_t at = 0, n = 0;

    if (rows->count > MAP_FILE_ROWS_MAX) {
        return -EFBIG;
    }
    CLEANUP(mem_freep) MapRow **sorted = NEW_ARRAY(MapRow *, rows->count + 1);
    for (size_t i = 0; i < rows->count; i++) {
        sorted[i] = &rows->items[i];
    }
    qsort(sorted, rows->count, sizeof(sorted[0]), compare_row_pointers);
    ParquetWriter *writer = parquet_writer_new();
    for (size_t i = 0; i < (version_2 ? COLUMNS : COLUMN_MINUTES); i++) {
        parquet_writer_add(writer, &columns[i]);
    }
    for (size_t i = 0; i < rows->count; i += n) {
        for (n = 1; i + n < rows->count && compare_rows(sorted[i], sorted[i + n]) == 0; n++) {
        }
        at += put_rows(writer, at, sorted + i, n);
    }
    parquet_set_metadata(writer, FORMAT_KEY, version_2 ? FORMAT_VERSION_2 : FORMAT_VERSION);
    parquet_writer_finish(writer, at, ret_file);
    parquet_writer_free(writer);
    return 0;
}

/* --- Reading --- */

typedef struct Reader {
    ParquetFile *file;
    size_t column[COLUMNS];
    ParquetVector vector[COLUMNS];
    bool skip_minutes;
} Reader;

static void reader_deinit(Reader *reader)
{
    parquet_close(reader->file);
}

static bool type_fits(const ParquetColumn *have, const ParquetColumn *want)
{
    bool have_bytes = have->type == PARQUET_BYTES || have->type == PARQUET_STRING;
    bool want_bytes = want->type == PARQUET_BYTES || want->type == PARQUET_STRING;

    return have->type == want->type ? have->size == want->size : have_bytes && want_bytes;
}

/* The Parquet reader names offsets that damaged metadata gave it; they may lie beyond the file. */
static int clamp_offset(int result, Str file, ParseError *error)
{
    error->offset = MIN(error->offset, file.len);
    return result;
}

static int reader_open(Reader *reader, Str file, ParseError *ret_error)
{
    ParquetSource source = {.bytes = file, .n_rows_max = MAP_FILE_ROWS_MAX};
    Str version;

    TRY(clamp_offset(parquet_open(&source, &reader->file, ret_error), file, ret_error));
    *ret_error = (ParseError){.offset = file.len, .text = "not a map table of version 1 or 2"};
    if (!parquet_metadata(reader->file, FORMAT_KEY, &version) ||
        (!str_equal(version, FORMAT_VERSION) && !str_equal(version, FORMAT_VERSION_2))) {
        return 1;
    }
    bool version_2 = str_equal(version, FORMAT_VERSION_2);
    for (size_t i = 0; i < COLUMNS; i++) {
        reader->column[i] = parquet_find(reader->file, columns[i].name);
        if (!version_2 && i >= COLUMN_MINUTES) {
            reader->column[i] = SIZE_MAX;
            continue;
        }
        if (reader->column[i] == SIZE_MAX ||
            !type_fits(parquet_column(reader->file, reader->column[i]), &columns[i])) {
            ret_error->text = "a column of the map table is missing or of another type";
            return 1;
        }
    }
    return 0;
}

static int parse_exemplars(Str bytes, Exemplars *exemplars)
{
    exemplars_reserve(exemplars, (uint32_t)MIN(bytes.len / EXEMPLAR_BYTES, (size_t)EXEMPLARS_MAX));
    while (bytes.len > 0) {
        Exemplar exemplar;
        Str fixed;
        int64_t weight;

        TRY(bytes_take(&bytes, EXEMPLAR_BYTES, &fixed));
        TRY(zigzag_take(&bytes, &weight));
        if (weight == 0 || weight > INT16_MAX || weight < INT16_MIN || fixed.ptr[32] > 1 ||
            exemplars->n_items >= EXEMPLARS_MAX) {
            return 1;
        }
        mem_copy(exemplar.trace_id.bytes, fixed.ptr, TRACE_ID_SIZE);
        exemplar.start_ns = load_u64le(fixed.ptr + TRACE_ID_SIZE);
        exemplar.duration_ns = load_u64le(fixed.ptr + TRACE_ID_SIZE + 8);
        exemplar.error = fixed.ptr[32] == 1;
        exemplar.weight = (int32_t)weight;
        exemplars_add(exemplars, &exemplar);
    }
    return 0;
}

static int parse_sketch(Str bytes, Sketch *ret_sketch)
{
    return bytes.len == 0 ? 0 : sketch_parse(bytes, ret_sketch);
}

static int parse_sums(const Reader *reader, size_t at, MapRow *row)
{
    const ParquetVector *vector = reader->vector;
    Str adjusted = parquet_str(&vector[COLUMN_ADJUSTED], at);
    CellValue *sum = &row->sum;

    sum->count = vector[COLUMN_COUNT].ints[at];
    sum->errors = vector[COLUMN_ERRORS].ints[at];
    if (adjusted.len == sizeof(Adjusted)) {
        mem_copy(&sum->adjusted, adjusted.ptr, sizeof(Adjusted));
    }
    if (sum->count > COUNT_MAX || sum->count < -COUNT_MAX || sum->errors > COUNT_MAX ||
        sum->errors < -COUNT_MAX || sum->adjusted > ADJUSTED_MAX || sum->adjusted < -ADJUSTED_MAX) {
        return 1;
    }
    TRY(parse_sketch(parquet_str(&vector[COLUMN_DURATION], at), &sum->duration));
    TRY(parse_sketch(parquet_str(&vector[COLUMN_SERVER_DURATION], at), &sum->server_duration));
    return parse_exemplars(parquet_str(&vector[COLUMN_EXEMPLARS], at), &row->exemplars);
}

static int check_node(Str bytes)
{
    NodeKey key;

    return node_key_parse(bytes, &key);
}

static int check_nodes(const MapRow *row)
{
    SeriesKind kind = row->kind == SERIES_FLOW ? SERIES_EDGE : row->kind;

    TRY(check_node(row->source));
    if (series_node_count(kind) >= 2) {
        TRY(check_node(row->target));
    }
    return series_node_count(kind) == 3 ? check_node(row->via) : 0;
}

/* The first files told a flow by its name alone: it is then one of the caller's place. */
static Str flow_key(Str flow, Str source, Arena *arena)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey key;

    if (node_key_parse(flow, &key) == 0 && key.type == NODE_FLOW) {
        return flow;
    }
    ASSERT(node_key_parse(source, &key) == 0);
    NodeKey named = {
        .type = NODE_FLOW, .scope = key.scope, .environment = key.environment, .name = flow};
    node_key_append(&named, &buf);
    return arena_copy(arena, buf_str(&buf));
}

static int parse_row(const Reader *reader, size_t at, Arena *arena, MapRow *row)
{
    const ParquetVector *vector = reader->vector;
    int64_t minute = vector[COLUMN_MINUTE].ints[at];
    Str *names = &row->source;

    TRY(kind_parse(parquet_str(&vector[COLUMN_KIND], at), &row->kind));
    if (kind_has_relation(row->kind)) {
        TRY(relation_parse(parquet_str(&vector[COLUMN_RELATION], at), &row->relation));
        TRY(rule_parse(parquet_str(&vector[COLUMN_RULE], at), &row->rule));
    }
    if (minute < 0 || minute > UINT32_MAX - MINUTES_PER_DAY) {
        return 1;
    }
    row->minute = (uint32_t)minute;
    for (Column column = COLUMN_SOURCE; column <= COLUMN_STEP; column++) {
        names[column - COLUMN_SOURCE] = parquet_str(&vector[column], at);
    }
    if (reader->column[COLUMN_MINUTES] != SIZE_MAX) {
        row->presence = parquet_str(&vector[COLUMN_PRESENCE], at);
        row->minutes = reader->skip_minutes ? (Str){0} : parquet_str(&vector[COLUMN_MINUTES], at);
    }
    TRY(check_nodes(row));
    if (row->kind == SERIES_FLOW) {
        row->flow = flow_key(row->flow, row->source, arena);
    }
    return parse_sums(reader, at, row);
}

static int read_chunk(Reader *reader, size_t from, size_t to, Arena *arena, MapRows *rows,
                      ParseError *ret_error)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        if (reader->column[i] == SIZE_MAX || (i == COLUMN_MINUTES && reader->skip_minutes)) {
            continue;
        }
        TRY(parquet_read(reader->file, reader->column[i], from, to, arena, &reader->vector[i],
                         ret_error));
    }
    for (size_t i = 0; i < to - from; i++) {
        if (parse_row(reader, i, arena, map_rows_add(rows)) != 0) {
            ret_error->text = "a row of the map table has a value that is none";
            return 1;
        }
    }
    return 0;
}

int map_file_rows(Str file, size_t *ret_n, ParseError *ret_error)
{
    CLEANUP(reader_deinit) Reader reader = {0};

    TRY(reader_open(&reader, file, ret_error));
    *ret_n = parquet_n_rows(reader.file);
    return 0;
}

int map_file_read(Str file, bool minutes, Arena *arena, MapRows *rows, ParseError *ret_error)
{
    CLEANUP(reader_deinit) Reader reader = {.skip_minutes = !minutes};

    TRY(reader_open(&reader, file, ret_error));
    ret_error->offset = file.len;
    return clamp_offset(read_chunk(&reader, 0, parquet_n_rows(reader.file), arena, rows, ret_error),
                        file, ret_error);
}

int map_file_visit(Str file, const MapRowVisitor *visitor, ParseError *ret_error)
{
    CLEANUP(reader_deinit) Reader reader = {.skip_minutes = !visitor->minutes};

    TRY(reader_open(&reader, file, ret_error));
    size_t n_rows = parquet_n_rows(reader.file);
    for (size_t from = 0; from < n_rows; from += CHUNK_ROWS) {
        CLEANUP(arena_deinit) Arena arena = {0};
        CLEANUP(map_rows_deinit) MapRows rows = {0};

        ret_error->offset = file.len;
        TRY(clamp_offset(
            read_chunk(&reader, from, MIN(from + CHUNK_ROWS, n_rows), &arena, &rows, ret_error),
            file, ret_error));
        for (size_t i = 0; i < rows.count; i++) {
            *ret_error = (ParseError){.offset = file.len,
                                      .text = "a row of the map table has a value that is none"};
            TRY(visitor->visit(visitor->context, &rows.items[i]));
        }
    }
    return 0;
}

static int load_row(void *context, const MapRow *row)
{
    return row->minutes.len > 0 || row->presence.len > 0 ? 1 : tables_add_row(context, row);
}

int map_file_load(Str file, MapTables *tables, ParseError *ret_error)
{
    const MapRowVisitor visitor = {.visit = load_row, .context = tables, .minutes = true};

    return map_file_visit(file, &visitor, ret_error);
}

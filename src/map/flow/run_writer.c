// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_writer.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/bloom.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "map/flow/runs.h"

#define MINUTE_NS UINT64_C(60000000000)

struct RunWriter {
    ParquetWriter *parquet;
    Symbols names;
    uint8_t *filter;
    size_t filter_size, n_rows;
    Buf spread, taken;
    Buf variant; /* scratch */
    ChangeBufs packed;
    uint32_t from_minute, to_minute;
    SubjectKey last;
};

RunWriter *run_writer_new(size_t n_rows)
{
    RunWriter *writer = NEW(RunWriter);

    writer->from_minute = UINT32_MAX;
    writer->filter_size = bloom_size(n_rows * RUN_FILE_FILTER_BITS / BLOOM_BITS_PER_KEY);
    writer->filter = mem_zero(writer->filter_size);
    writer->parquet = parquet_writer_new();
    for (size_t i = 0; i < RUN_COLUMNS; i++) {
        parquet_writer_add(writer->parquet, &run_columns[i]);
    }
    return writer;
}

RunWriter *run_writer_free(RunWriter *writer)
{
    if (writer != NULL) {
        parquet_writer_free(writer->parquet);
        symbols_deinit(&writer->names);
        buf_deinit(&writer->spread);
        buf_deinit(&writer->taken);
        buf_deinit(&writer->variant);
        change_bufs_deinit(&writer->packed);
        mem_free(writer->filter);
        mem_free(writer);
    }
    return NULL;
}

uint32_t run_writer_name(RunWriter *writer, Str name)
{
    return symbols_intern(&writer->names, name);
}

void run_writer_freep(RunWriter **writer)
{
    run_writer_free(*writer);
}

void run_writer_note_period(RunWriter *writer, uint32_t from_minute, uint32_t to_minute)
{
    writer->from_minute = MIN(writer->from_minute, from_minute);
    writer->to_minute = MAX(writer->to_minute, to_minute);
}

/* Any of the members may turn out to be the run's first, when another file takes back those before
 * it. */
static void note_time(RunWriter *writer, uint64_t start_ns)
{
    uint32_t minute = (uint32_t)(start_ns / MINUTE_NS); /* fits: 2^64 ns are 584 years */

    run_writer_note_period(writer, minute, minute + 1);
}

static void put_int(RunWriter *writer, RunColumn column, uint64_t value)
{
    parquet_put_int(writer->parquet, column, writer->n_rows, (int64_t)value);
}

static void put_str(RunWriter *writer, RunColumn column, Str value)
{
    parquet_put_str(writer->parquet, column, writer->n_rows, value);
}

static uint64_t row_flags(const RunFileRow *row)
{
    return (row->counts ? RUN_ROW_COUNTS : 0U) | (row->failed ? RUN_ROW_FAILED : 0U) |
           (row->no_run_id ? RUN_ROW_NO_RUN_ID : 0U) |
           (row->known_before ? RUN_ROW_KNOWN_BEFORE : 0U) |
           (row->takes_back ? RUN_ROW_TAKES_BACK : 0U) | (row->is_part ? RUN_ROW_IS_PART : 0U);
}

void run_writer_copy(RunWriter *writer, SubjectKey key, const RunFileRow *row, Str shape)
{
    ASSERT(subject_key_compare(writer->last, key) <= 0);
    writer->last = key;
    put_int(writer, RUN_COLUMN_KEY, key.high >> RUN_KEY_SHIFT);
    put_int(writer, RUN_COLUMN_KIND, (uint64_t)row->subject.kind);
    put_str(writer, RUN_COLUMN_OWNER, row->subject.owner);
    put_str(writer, RUN_COLUMN_ID, row->subject.id);
    put_int(writer, RUN_COLUMN_FIRST, row->first_ns);
    put_int(writer, RUN_COLUMN_COUNT, (uint64_t)row->count);
    put_int(writer, RUN_COLUMN_STEPS, row->n_steps);
    put_int(writer, RUN_COLUMN_FLAGS, row_flags(row));
    put_int(writer, RUN_COLUMN_VARIANT, row->variant);
    put_str(writer, RUN_COLUMN_SHAPE, shape);
    put_str(writer, RUN_COLUMN_SIZES, row->packed.sizes);
    put_str(writer, RUN_COLUMN_BITS, row->packed.bits);
    if (row->known_before) {
        buf_append_u64le(&writer->spread, key.high);
    }
    if (row->takes_back) {
        buf_append_u32le(&writer->taken, (uint32_t)writer->n_rows);
    }
    bloom_add(writer->filter, writer->filter_size, key.high);
    writer->n_rows++;
}

/* ---- changes ---- */

static void intern_names(RunWriter *writer, const SubjectChanges *changes)
{
    for (uint32_t i = 0; i < changes->n; i++) {
        if (changes->subject.kind == SUBJECT_ENTITY) {
            (void)run_writer_name(writer, changes->links[i].flow);
            continue;
        }
        if (changes->members[i].step.len > 0) {
            (void)run_writer_name(writer, changes->members[i].step);
        }
        (void)run_writer_name(writer, changes->members[i].service);
    }
}

/* What the row tells of a run without its changes being read. */
static void summarise(RunWriter *writer, const SubjectChanges *run, RunFileRow *row)
{
    RunSummary summary = run_summary(run->members, run->n);

    for (uint32_t i = 0; i < run->n; i++) {
        row->count += run->members[i].sign;
        row->takes_back |= run->members[i].sign < 0;
        note_time(writer, run->members[i].start_ns);
    }
    row->counts = summary.counts;
    row->failed = summary.failed;
    row->no_run_id = summary.no_run_id;
    row->n_steps = summary.n_steps;
    row->first_ns = summary.first_ns;
    buf_clear(&writer->variant);
    variant_append(run->members, summary.n_steps, &writer->variant);
    row->variant = hash_stable(buf_str(&writer->variant));
}

static void summarise_links(RunWriter *writer, const SubjectChanges *entity, RunFileRow *row)
{
    for (uint32_t i = 0; i < entity->n; i++) {
        row->count += entity->links[i].sign;
        row->takes_back |= entity->links[i].sign < 0;
        note_time(writer, entity->links[i].start_ns);
    }
    row->first_ns = entity->links[0].start_ns;
}

static void add_row(RunWriter *writer, const SubjectChanges *changes, bool is_part)
{
    RunFileRow row = {
        .subject = changes->subject, .known_before = changes->known_before, .is_part = is_part};

    intern_names(writer, changes);
    if (changes->subject.kind == SUBJECT_RUN) {
        summarise(writer, changes, &row);
    } else {
        summarise_links(writer, changes, &row);
    }
    changes_pack(changes, row.first_ns, &writer->names, &writer->packed);
    row.packed.sizes = buf_str(&writer->packed.sizes);
    row.packed.bits = buf_str(&writer->packed.bits);
    run_writer_copy(writer, changes->key, &row, buf_str(&writer->packed.shape));
}

void run_writer_add(RunWriter *writer, const SubjectChanges *changes, bool is_part)
{
    for (uint32_t at = 0; at < changes->n; at += RUN_ROW_CHANGES) {
        SubjectChanges part = *changes;

        part.n = MIN(changes->n - at, (uint32_t)RUN_ROW_CHANGES);
        if (part.subject.kind == SUBJECT_RUN) {
            part.members += at;
        } else {
            part.links += at;
        }
        add_row(writer, &part, is_part || changes->n > RUN_ROW_CHANGES);
    }
}

/* ---- the file ---- */

static void finish(RunWriter *writer, Buf *file)
{
    CLEANUP(buf_deinit) Buf names = {0};

    for (uint32_t i = 0; i < symbols_count(&writer->names); i++) {
        bytes_append_counted(&names, symbols_get(&writer->names, i));
    }
    parquet_set_metadata(writer->parquet, RUN_FILE_FORMAT_KEY, RUN_FILE_VERSION);
    parquet_add_section(writer->parquet, RUN_FILE_SECTION_FILTER,
                        str_from_bytes(writer->filter, writer->filter_size));
    parquet_add_section(writer->parquet, RUN_FILE_SECTION_NAMES, buf_str(&names));
    parquet_add_section(writer->parquet, RUN_FILE_SECTION_SPREAD, buf_str(&writer->spread));
    parquet_add_section(writer->parquet, RUN_FILE_SECTION_TAKEN, buf_str(&writer->taken));
    parquet_writer_finish(writer->parquet, writer->n_rows, file);
}

int run_writer_emit(RunWriter *writer, TableSink *sink)
{
    CLEANUP(buf_deinit) Buf file = {0};
    TableInfo info = table_info(RUNS_FAMILY);

    if (writer->n_rows == 0) {
        return 0;
    }
    if (writer->n_rows > RUN_FILE_ROWS_MAX) {
        return -EFBIG;
    }
    finish(writer, &file);
    if (writer->from_minute < writer->to_minute) {
        info.from_minute = writer->from_minute;
        info.to_minute = writer->to_minute;
    }
    return sink->emit(sink, &info, buf_str(&file));
}

// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copies a value through reader and writer. */
static int copy_value(JsonReader *reader, JsonWriter *writer)
{
    JsonType type;
    Str text, key;
    bool boolean;
    int more = 0;

    TRY(json_peek(reader, &type));
    switch (type) {
    case JSON_NULL:
        TRY(json_read_null(reader));
        json_null(writer);
        break;
    case JSON_BOOL:
        TRY(json_read_bool(reader, &boolean));
        json_bool(writer, boolean);
        break;
    case JSON_NUMBER:
        TRY(json_read_number(reader, &text));
        json_raw(writer, text);
        break;
    case JSON_STRING:
        TRY(json_read_string(reader, &text));
        json_string(writer, text);
        break;
    case JSON_ARRAY:
        TRY(json_enter_array(reader));
        json_open(writer, '[');
        while ((more = json_next_item(reader)) > 0) {
            TRY(copy_value(reader, writer));
        }
        json_close(writer, ']');
        break;
    case JSON_OBJECT:
        TRY(json_enter_object(reader));
        json_open(writer, '{');
        while ((more = json_next_key(reader, &key)) > 0) {
            json_key(writer, key);
            TRY(copy_value(reader, writer));
        }
        json_close(writer, '}');
        break;
    }
    return more < 0 ? JSON_BAD : 0;
}

static int copy_text(Str text, Arena *arena, Buf *copy)
{
    JsonReader reader;
    JsonWriter writer = {.buf = copy};

    json_reader_init(&reader, text, arena);
    int r = copy_value(&reader, &writer) != 0 || json_end(&reader) != 0;
    ASSERT(r == 0 || (reader.error.text != NULL && reader.error.offset <= text.len));
    return r;
}

/* Skipping accepts exactly what reading accepts, and a copy is copied unchanged. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf first = {0};
    CLEANUP(buf_deinit) Buf second = {0};
    Str text = str_from_bytes(data, size);
    JsonReader reader;

    json_reader_init(&reader, text, NULL);
    bool skipped = json_skip(&reader, NULL) == 0 && json_end(&reader) == 0;
    bool copied = copy_text(text, &arena, &first) == 0;
    ASSERT(skipped == copied);
    if (copied) {
        ASSERT(copy_text(buf_str(&first), &arena, &second) == 0);
        ASSERT(str_equal(buf_str(&first), buf_str(&second)));
    }
    return 0;
}

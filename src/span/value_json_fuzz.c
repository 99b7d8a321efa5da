// SPDX-License-Identifier: Apache-2.0
#include "span/value_json.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value that is read is written as text that reads back to the same text; its copy equals it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf first = {0};
    CLEANUP(buf_deinit) Buf second = {0};
    CLEANUP(buf_deinit) Buf text = {0};
    JsonWriter writer = {.buf = &first}, again = {.buf = &second};
    JsonReader reader;
    Value value;

    json_reader_init(&reader, str_from_bytes(data, size), &arena);
    if (value_json_read(&reader, &value) != 0) {
        ASSERT(reader.error.text != NULL && reader.error.offset <= size);
        return 0;
    }
    Value copy = value_copy(&value, &arena);
    ASSERT(value_equal(&value, &copy));
    value_append_text(&value, &text);
    value_json_write(&writer, &copy);
    json_reader_init(&reader, buf_str(&first), &arena);
    ASSERT(value_json_read(&reader, &value) == 0);
    value_json_write(&again, &value);
    ASSERT(str_equal(buf_str(&first), buf_str(&second)));
    return 0;
}

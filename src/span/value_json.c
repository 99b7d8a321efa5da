// SPDX-License-Identifier: Apache-2.0
#include "span/value_json.h"

#include "base/assert.h"
#include "codec/text.h"
#include "span/array.h"

void value_json_write(JsonWriter *writer, const Value *value)
{
    json_open(writer, '{');
    switch (value->type) {
    case VALUE_EMPTY:
        break;
    case VALUE_STRING:
        json_key(writer, STR("stringValue"));
        json_string(writer, value->string);
        break;
    case VALUE_BOOL:
        json_key(writer, STR("boolValue"));
        json_bool(writer, value->boolean);
        break;
    case VALUE_INT:
        json_key(writer, STR("intValue"));
        json_raw(writer, STR("\"")); /* 64-bit integers are strings in protobuf's JSON */
        buf_append_i64(writer->buf, value->integer);
        buf_append_byte(writer->buf, '"');
        break;
    case VALUE_DOUBLE:
        json_key_double(writer, "doubleValue", value->number);
        break;
    case VALUE_BYTES:
        json_key(writer, STR("bytesValue"));
        json_raw(writer, STR("\""));
        text_append_base64(writer->buf, value->string);
        buf_append_byte(writer->buf, '"');
        break;
    case VALUE_ARRAY:
        json_raw(writer, STR("\"arrayValue\":{\"values\":["));
        writer->comma = false;
        for (uint32_t i = 0; i < value->count; i++) {
            value_json_write(writer, &value->items[i]);
        }
        buf_append_str(writer->buf, STR("]}"));
        break;
    case VALUE_MAP:
        json_raw(writer, STR("\"kvlistValue\":{\"values\":"));
        writer->comma = false;
        attributes_json_write(writer, (Attributes){.items = value->entries, .count = value->count});
        buf_append_byte(writer->buf, '}');
        break;
    }
    json_close(writer, '}');
}

void attributes_json_write(JsonWriter *writer, Attributes attributes)
{
    json_open(writer, '[');
    for (size_t i = 0; i < attributes.count; i++) {
        json_open(writer, '{');
        json_key(writer, STR("key"));
        json_string(writer, attributes.items[i].key);
        json_key(writer, STR("value"));
        value_json_write(writer, &attributes.items[i].value);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static int read_value(JsonReader *reader, unsigned depth, Value *ret_value);
static int read_attributes(JsonReader *reader, unsigned depth, Attributes *ret_attributes);

static int read_items(JsonReader *reader, unsigned depth, Value *ret_value)
{
    Value *items = NULL;
    size_t count = 0, capacity = 0;
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        ARRAY_ROOM(reader->arena, items, count, capacity);
        TRY(read_value(reader, depth, &items[count]));
        count++;
    }
    if (more < 0) {
        return JSON_BAD;
    }
    *ret_value = (Value){.type = VALUE_ARRAY, .count = (uint32_t)count, .items = items};
    return 0;
}

static int read_entries(JsonReader *reader, unsigned depth, Value *ret_value)
{
    Attributes entries;

    TRY(read_attributes(reader, depth, &entries));
    *ret_value =
        (Value){.type = VALUE_MAP, .count = (uint32_t)entries.count, .entries = entries.items};
    return 0;
}

/* {"values":[…]} of an array or a map. */
static int read_list(JsonReader *reader, ValueType type, unsigned depth, Value *ret_value)
{
    Value value = {.type = type};
    Str key;
    int more;

    if (depth == VALUE_DEPTH_MAX) {
        return json_fail(reader, "a value nested deeper than 32 levels");
    }
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (!str_equal(key, STR("values"))) {
            TRY(json_skip(reader, NULL));
        } else if (!json_take_null(reader)) {
            TRY(type == VALUE_ARRAY ? read_items(reader, depth + 1, &value)
                                    : read_entries(reader, depth + 1, &value));
        }
    }
    *ret_value = value;
    return more < 0 ? JSON_BAD : 0;
}

static int read_string(JsonReader *reader, Value *ret_value)
{
    Str string;

    TRY(json_read_string(reader, &string));
    *ret_value = value_string(string);
    return 0;
}

static int read_bool(JsonReader *reader, Value *ret_value)
{
    bool boolean;

    TRY(json_read_bool(reader, &boolean));
    *ret_value = (Value){.type = VALUE_BOOL, .boolean = boolean};
    return 0;
}

static int read_int(JsonReader *reader, Value *ret_value)
{
    int64_t integer;

    TRY(json_read_i64(reader, &integer));
    *ret_value = value_int(integer);
    return 0;
}

static int read_double(JsonReader *reader, Value *ret_value)
{
    double number;

    TRY(json_read_double(reader, &number));
    *ret_value = (Value){.type = VALUE_DOUBLE, .number = number};
    return 0;
}

static int read_bytes(JsonReader *reader, Value *ret_value)
{
    Str text, bytes;

    TRY(json_read_string(reader, &text));
    if (text_parse_base64(text, reader->arena, &bytes) != 0) {
        return json_fail(reader, "bytesValue is no base64");
    }
    *ret_value = (Value){.type = VALUE_BYTES, .string = bytes};
    return 0;
}

/* JSON's name of each kind of value, in both spellings. */
static const struct {
    Str camel, snake;
    ValueType type;
} value_keys[] = {
    {STR("stringValue"), STR("string_value"), VALUE_STRING},
    {STR("boolValue"), STR("bool_value"), VALUE_BOOL},
    {STR("intValue"), STR("int_value"), VALUE_INT},
    {STR("doubleValue"), STR("double_value"), VALUE_DOUBLE},
    {STR("arrayValue"), STR("array_value"), VALUE_ARRAY},
    {STR("kvlistValue"), STR("kvlist_value"), VALUE_MAP},
    {STR("bytesValue"), STR("bytes_value"), VALUE_BYTES},
};

static ValueType type_of_key(Str key)
{
    for (size_t i = 0; i < ARRAY_LEN(value_keys); i++) {
        if (str_equal(key, value_keys[i].camel) || str_equal(key, value_keys[i].snake)) {
            return value_keys[i].type;
        }
    }
    return VALUE_EMPTY;
}

static int read_typed(JsonReader *reader, ValueType type, unsigned depth, Value *ret_value)
{
    switch (type) {
    case VALUE_STRING:
        return read_string(reader, ret_value);
    case VALUE_BOOL:
        return read_bool(reader, ret_value);
    case VALUE_INT:
        return read_int(reader, ret_value);
    case VALUE_DOUBLE:
        return read_double(reader, ret_value);
    case VALUE_BYTES:
        return read_bytes(reader, ret_value);
    case VALUE_ARRAY:
    case VALUE_MAP:
        return read_list(reader, type, depth, ret_value);
    case VALUE_EMPTY:
        break;
    }
    return json_skip(reader, NULL);
}

/* An AnyValue; of several kinds the last counts, as in protobuf. */
static int read_value(JsonReader *reader, unsigned depth, Value *ret_value)
{
    Value value = {.type = VALUE_EMPTY};
    Str key;
    int more = 0;

    if (!json_take_null(reader)) {
        TRY(json_enter_object(reader));
        while ((more = json_next_key(reader, &key)) > 0) {
            if (!json_take_null(reader)) {
                TRY(read_typed(reader, type_of_key(key), depth, &value));
            }
        }
    }
    *ret_value = value;
    return more < 0 ? JSON_BAD : 0;
}

static int read_attribute(JsonReader *reader, unsigned depth, Attribute *ret_attribute)
{
    Attribute attribute = {.key = STR("")};
    Str key;
    int more = 0;

    if (!json_take_null(reader)) {
        TRY(json_enter_object(reader));
        while ((more = json_next_key(reader, &key)) > 0) {
            if (str_equal(key, STR("key"))) {
                TRY(json_read_text(reader, &attribute.key));
            } else if (str_equal(key, STR("value"))) {
                TRY(read_value(reader, depth, &attribute.value));
            } else {
                TRY(json_skip(reader, NULL));
            }
        }
    }
    *ret_attribute = attribute;
    return more < 0 ? JSON_BAD : 0;
}

static int read_attributes(JsonReader *reader, unsigned depth, Attributes *ret_attributes)
{
    Attribute *items = NULL;
    size_t count = 0, capacity = 0;
    int more = 0;

    if (!json_take_null(reader)) {
        TRY(json_enter_array(reader));
        while ((more = json_next_item(reader)) > 0) {
            ARRAY_ROOM(reader->arena, items, count, capacity);
            TRY(read_attribute(reader, depth, &items[count]));
            count++;
        }
    }
    if (more < 0) {
        return JSON_BAD;
    }
    *ret_attributes = (Attributes){.items = items, .count = count};
    return 0;
}

int value_json_read(JsonReader *reader, Value *ret_value)
{
    return read_value(reader, 0, ret_value);
}

int attributes_json_read(JsonReader *reader, Attributes *ret_attributes)
{
    return read_attributes(reader, 0, ret_attributes);
}

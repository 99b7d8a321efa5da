// SPDX-License-Identifier: Apache-2.0
#include "serve/api/json_view.h"

#include "codec/json.h"

JsonView view_get(JsonView object, const char *key)
{
    JsonView none = {.arena = object.arena};
    JsonReader reader;
    Str name, raw;

    json_reader_init(&reader, object.raw, object.arena);
    if (json_enter_object(&reader) != 0) {
        return none;
    }
    while (json_next_key(&reader, &name) > 0) {
        if (json_skip(&reader, &raw) != 0) {
            break;
        }
        if (str_equal(name, str_from_cstr(key))) {
            return (JsonView){.raw = raw, .arena = object.arena};
        }
    }
    return none;
}

bool view_next(JsonView array, size_t *cursor, JsonView *ret_item)
{
    JsonReader reader;
    Str raw;

    json_reader_init(&reader, array.raw, array.arena);
    if (json_enter_array(&reader) != 0) {
        return false;
    }
    if (*cursor != 0) {
        reader.at = *cursor; /* behind the item before: the reader keeps no other state */
    }
    if (json_next_item(&reader) <= 0 || json_skip(&reader, &raw) != 0) {
        return false;
    }
    *cursor = reader.at;
    *ret_item = (JsonView){.raw = raw, .arena = array.arena};
    return true;
}

size_t view_count(JsonView array)
{
    size_t cursor = 0, count = 0;
    JsonView item;

    while (view_next(array, &cursor, &item)) {
        count++;
    }
    return count;
}

Str view_text(JsonView value)
{
    JsonReader reader;
    JsonType type;
    Str text;

    json_reader_init(&reader, value.raw, value.arena);
    if (json_peek(&reader, &type) != 0 || type == JSON_NULL) {
        return (Str){0};
    }
    if (type == JSON_STRING) {
        return json_read_string(&reader, &text) == 0 ? text : (Str){0};
    }
    return value.raw;
}

uint64_t view_u64(JsonView value)
{
    uint64_t number;

    return str_parse_u64(str_trim(value.raw), &number) == 0 ? number : 0;
}

double view_double(JsonView value)
{
    double number;

    return str_parse_double(str_trim(value.raw), &number) == 0 ? number : 0;
}

bool view_is_true(JsonView value)
{
    return str_equal(str_trim(value.raw), STR("true"));
}

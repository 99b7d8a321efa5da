// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "codec/json.h"

/* Numbers as protobuf's JSON mapping allows them: bare, as strings, or null. */

/* The text of a number, a string or null (empty). */
static int read_number_text(JsonReader *reader, Str *ret_text)
{
    JsonType type;

    TRY(json_peek(reader, &type));
    if (type == JSON_NUMBER) {
        return json_read_number(reader, ret_text);
    }
    return json_read_text(reader, ret_text);
}

/* Whole numbers may also come as 5.0 or 1e3; beyond 2^53 these are exact only as far as the double
 * is. */
static bool parse_whole(Str text, double least, double limit, double *ret_value)
{
    return str_parse_double(text, ret_value) == 0 && *ret_value >= least && *ret_value < limit &&
           trunc(*ret_value) == *ret_value;
}

int json_read_i64(JsonReader *reader, int64_t *ret_value)
{
    Str text;
    double whole;
    int64_t value = 0;

    TRY(read_number_text(reader, &text));
    if (text.len != 0 && str_parse_i64(text, &value) != 0) {
        if (!parse_whole(text, -0x1p63, 0x1p63, &whole)) {
            return json_fail(reader, "no 64-bit integer");
        }
        value = (int64_t)whole;
    }
    *ret_value = value;
    return 0;
}

int json_read_u64(JsonReader *reader, uint64_t *ret_value)
{
    Str text;
    double whole;
    uint64_t value = 0;

    TRY(read_number_text(reader, &text));
    if (text.len != 0 && str_parse_u64(text, &value) != 0) {
        if (!parse_whole(text, 0, 0x1p64, &whole)) {
            return json_fail(reader, "no unsigned 64-bit integer");
        }
        value = (uint64_t)whole;
    }
    *ret_value = value;
    return 0;
}

int json_read_double(JsonReader *reader, double *ret_value)
{
    Str text;
    double value = 0;

    TRY(read_number_text(reader, &text));
    if (str_equal(text, STR("NaN"))) {
        value = NAN;
    } else if (str_equal(text, STR("Infinity"))) {
        value = INFINITY;
    } else if (str_equal(text, STR("-Infinity"))) {
        value = -INFINITY;
    } else if (text.len != 0 && str_parse_double(text, &value) != 0) {
        return json_fail(reader, "no number");
    }
    *ret_value = value;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "span/filter.h"

#include <math.h>
#include <pcre2.h>

#include "base/assert.h"

struct FilterPattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

enum { PATTERN_HEAP_KIB = 1024, PATTERN_LENGTH_MAX = 4096 };

int filter_pattern_new(Str expression, FilterPattern **ret_pattern, ParseError *ret_error)
{
    int code;
    PCRE2_SIZE offset;

    if (expression.len > PATTERN_LENGTH_MAX) {
        *ret_error = (ParseError){.offset = PATTERN_LENGTH_MAX,
                                  .text = "the regular expression is longer than 4096 bytes"};
        return 1;
    }
    pcre2_code *compiled = pcre2_compile(
        (PCRE2_SPTR)(expression.len == 0 ? "" : expression.ptr), expression.len,
        PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (compiled == NULL) {
        *ret_error = (ParseError){.offset = offset, .text = "malformed regular expression"};
        return 1;
    }
    FilterPattern *pattern = NEW(FilterPattern);
    pattern->code = compiled;
    pattern->limits = pcre2_match_context_create(NULL);
    ASSERT(pattern->limits != NULL);
    pcre2_set_match_limit(pattern->limits, FILTER_MATCH_LIMIT);
    pcre2_set_depth_limit(pattern->limits, FILTER_MATCH_LIMIT);
    pcre2_set_heap_limit(pattern->limits, PATTERN_HEAP_KIB);
    *ret_pattern = pattern;
    return 0;
}

FilterPattern *filter_pattern_free(FilterPattern *pattern)
{
    if (pattern != NULL) {
        pcre2_match_context_free(pattern->limits);
        pcre2_code_free(pattern->code);
        mem_free(pattern);
    }
    return NULL;
}

/* An expression that hits its limit does not match. */
static bool pattern_matches(const FilterPattern *pattern, Str text)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);

    ASSERT(match != NULL);
    int r = pcre2_match(pattern->code, (PCRE2_SPTR)(text.len == 0 ? "" : text.ptr), text.len, 0, 0,
                        match, pattern->limits);
    pcre2_match_data_free(match);
    return r >= 0;
}

typedef enum Order { ORDER_LESS = -1, ORDER_SAME, ORDER_GREATER, ORDER_NONE } Order;

static Order order_of(int comparison)
{
    return comparison < 0 ? ORDER_LESS : comparison > 0 ? ORDER_GREATER : ORDER_SAME;
}

/* Exact also beyond 2^53, where casting the integer would round it. */
static Order compare_int_double(int64_t integer, double number)
{
    if (isnan(number)) {
        return ORDER_NONE;
    }
    if (number >= 0x1p63) {
        return ORDER_LESS;
    }
    if (number < -0x1p63) {
        return ORDER_GREATER;
    }
    int64_t whole = (int64_t)number;
    if (integer != whole) {
        return integer < whole ? ORDER_LESS : ORDER_GREATER;
    }
    double rest = number - (double)whole;
    return rest > 0 ? ORDER_LESS : rest < 0 ? ORDER_GREATER : ORDER_SAME;
}

static Order compare_doubles(double a, double b)
{
    return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : a == b ? ORDER_SAME : ORDER_NONE;
}

static Order compare_values(const Value *a, const Value *b)
{
    if (a->type == VALUE_INT && b->type == VALUE_DOUBLE) {
        return compare_int_double(a->integer, b->number);
    }
    if (a->type == VALUE_DOUBLE && b->type == VALUE_INT) {
        Order order = compare_int_double(b->integer, a->number);
        return order == ORDER_NONE ? order : (Order) - (int)order;
    }
    if (a->type != b->type) {
        return ORDER_NONE;
    }
    if (a->type == VALUE_DOUBLE) {
        return compare_doubles(a->number, b->number);
    }
    return order_of(value_compare(a, b));
}

/* Whether both are of types that compare at all, so that "differs" has a meaning. */
static bool is_comparable(const Value *a, const Value *b)
{
    bool numbers = (a->type == VALUE_INT || a->type == VALUE_DOUBLE) &&
                   (b->type == VALUE_INT || b->type == VALUE_DOUBLE);

    return numbers || a->type == b->type;
}

static bool equal_text(const Value *value, const Value *operand)
{
    CLEANUP(buf_deinit) Buf left = {0};
    CLEANUP(buf_deinit) Buf right = {0};

    if (value->type == VALUE_STRING && operand->type == VALUE_STRING) {
        return str_equal(value->string, operand->string);
    }
    value_append_text(value, &left);
    value_append_text(operand, &right);
    return str_equal(buf_str(&left), buf_str(&right));
}

bool filter_compare_value(const Filter *filter, const Value *value)
{
    if (value == NULL) {
        return false;
    }
    switch (filter->comparison) {
    case COMPARE_EXISTS:
        return true;
    case COMPARE_EQUAL_TEXT:
        return equal_text(value, &filter->operand);
    case COMPARE_MATCH:
        return value->type == VALUE_STRING && pattern_matches(filter->pattern, value->string);
    case COMPARE_NOT_MATCH:
        return value->type == VALUE_STRING && !pattern_matches(filter->pattern, value->string);
    default:
        break;
    }
    Order order = compare_values(value, &filter->operand);
    switch (filter->comparison) {
    case COMPARE_EQUAL:
        return order == ORDER_SAME;
    case COMPARE_NOT_EQUAL:
        return is_comparable(value, &filter->operand) && order != ORDER_SAME;
    case COMPARE_LESS:
        return order == ORDER_LESS;
    case COMPARE_LESS_EQUAL:
        return order == ORDER_LESS || order == ORDER_SAME;
    case COMPARE_GREATER:
        return order == ORDER_GREATER;
    case COMPARE_GREATER_EQUAL:
        return order == ORDER_GREATER || order == ORDER_SAME;
    default:
        ASSERT(false && "a known comparison");
        return false;
    }
}

static bool compare_text(const Filter *filter, Str text)
{
    Value value = value_string(text);

    return filter_compare_value(filter, &value);
}

static bool compare_int(const Filter *filter, uint64_t number)
{
    Value value = value_int((int64_t)MIN(number, (uint64_t)INT64_MAX));

    return filter_compare_value(filter, &value);
}

static bool compare_id(const Filter *filter, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * TRACE_ID_SIZE];

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return compare_text(filter, str_from_bytes(text, 2 * size));
}

static bool compare_attribute(const Filter *filter, Attributes attributes)
{
    return filter_compare_value(filter, attributes_find(attributes, filter->key));
}

/* The span's own attribute hides the resource's. */
static bool compare_any_attribute(const Filter *filter, const Span *span)
{
    const Value *value = attributes_find(span->attributes, filter->key);

    if (value == NULL) {
        value = attributes_find(span->resource->attributes, filter->key);
    }
    return filter_compare_value(filter, value);
}

static bool compare_events(const Filter *filter, const Span *span)
{
    for (size_t i = 0; i < span->n_events; i++) {
        if (filter->field == FIELD_EVENT_NAME
                ? compare_text(filter, span->events[i].name)
                : compare_attribute(filter, span->events[i].attributes)) {
            return true;
        }
    }
    return false;
}

static bool compare_links(const Filter *filter, const Span *span)
{
    for (size_t i = 0; i < span->n_links; i++) {
        if (compare_attribute(filter, span->links[i].attributes)) {
            return true;
        }
    }
    return false;
}

static bool compare_field(const Filter *filter, const Span *span)
{
    switch (filter->field) {
    case FIELD_ATTRIBUTE:
        return compare_any_attribute(filter, span);
    case FIELD_SPAN_ATTRIBUTE:
        return compare_attribute(filter, span->attributes);
    case FIELD_RESOURCE_ATTRIBUTE:
        return compare_attribute(filter, span->resource->attributes);
    case FIELD_SCOPE_ATTRIBUTE:
        return compare_attribute(filter, span->scope->attributes);
    case FIELD_EVENT_ATTRIBUTE:
    case FIELD_EVENT_NAME:
        return compare_events(filter, span);
    case FIELD_LINK_ATTRIBUTE:
        return compare_links(filter, span);
    case FIELD_NAME:
        return compare_text(filter, span->name);
    case FIELD_KIND:
        return compare_int(filter, span->kind);
    case FIELD_STATUS:
        return compare_int(filter, span->status_code);
    case FIELD_STATUS_MESSAGE:
        return compare_text(filter, span->status_message);
    case FIELD_DURATION:
        return compare_int(filter, span_duration_ns(span));
    case FIELD_START:
        return compare_int(filter, span->start_ns);
    case FIELD_SCOPE_NAME:
        return compare_text(filter, span->scope->name);
    case FIELD_SCOPE_VERSION:
        return compare_text(filter, span->scope->version);
    case FIELD_TRACE_ID:
        return compare_id(filter, span->trace_id.bytes, TRACE_ID_SIZE);
    case FIELD_SPAN_ID:
        return compare_id(filter, span->span_id.bytes, SPAN_ID_SIZE);
    case FIELD_PARENT_ID:
        return !span_id_is_zero(span->parent_span_id) &&
               compare_id(filter, span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    ASSERT(false && "a known field");
    return false;
}

/* Recursion is bounded by FILTER_DEPTH_MAX, which the parsers of queries keep. */
bool filter_matches(const Filter *filter, const Span *span)
{
    switch (filter->op) {
    case FILTER_TRUE:
        return true;
    case FILTER_AND:
        return filter_matches(filter->left, span) && filter_matches(filter->right, span);
    case FILTER_OR:
        return filter_matches(filter->left, span) || filter_matches(filter->right, span);
    case FILTER_NOT:
        return !filter_matches(filter->left, span);
    case FILTER_COMPARE:
        return compare_field(filter, span);
    }
    ASSERT(false && "a known operator");
    return false;
}

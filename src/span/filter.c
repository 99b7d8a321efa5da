// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "span/filter.h"

#include <math.h>
#include <pcre2.h>

#include "base/assert.h"

struct FilterPattern {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    pcre2_jit_stack *stack;
    uint64_t give_ups;
};

enum {
    PATTERN_HEAP_KIB = 1024,
    PATTERN_STACK_START = 32 << 10,
    PATTERN_STACK_MAX = 512 << 10,
    PATTERN_LENGTH_MAX = 4096,
};

/* Machine code where the processor has it: five to ten times as fast, the same limits. */
static void pattern_speed_up(FilterPattern *pattern)
{
    if (pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0) {
        pattern->stack = pcre2_jit_stack_create(PATTERN_STACK_START, PATTERN_STACK_MAX, NULL);
        ASSERT(pattern->stack != NULL);
        pcre2_jit_stack_assign(pattern->limits, NULL, pattern->stack);
    }
}

int filter_pattern_new(Str expression, FilterPattern **ret_pattern, ParseError *ret_error)
{
    int code;
    PCRE2_SIZE offset;

    if (expression.len > PATTERN_LENGTH_MAX) {
        *ret_error = (ParseError){.offset = PATTERN_LENGTH_MAX,
                                  .text = "the regular expression is longer than 4096 bytes"};
        return 1;
    }
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(expression.len == 0 ? "" : expression.ptr), expression.len,
                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C |
                          PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                      &code, &offset, NULL);
    if (compiled == NULL) {
        *ret_error = (ParseError){.offset = offset, .text = "malformed regular expression"};
        return 1;
    }
    FilterPattern *pattern = NEW(FilterPattern);
    pattern->code = compiled;
    pattern->limits = pcre2_match_context_create(NULL);
    pattern->match = pcre2_match_data_create(1, NULL);
    ASSERT(pattern->limits != NULL && pattern->match != NULL);
    pcre2_set_match_limit(pattern->limits, FILTER_MATCH_LIMIT);
    pcre2_set_depth_limit(pattern->limits, FILTER_MATCH_LIMIT);
    pcre2_set_heap_limit(pattern->limits, PATTERN_HEAP_KIB);
    pattern_speed_up(pattern);
    *ret_pattern = pattern;
    return 0;
}

FilterPattern *filter_pattern_free(FilterPattern *pattern)
{
    if (pattern != NULL) {
        pcre2_jit_stack_free(pattern->stack);
        pcre2_match_data_free(pattern->match);
        pcre2_match_context_free(pattern->limits);
        pcre2_code_free(pattern->code);
        mem_free(pattern);
    }
    return NULL;
}

/* 1: yes; 0: no; -1: nobody knows, it would take too long. */
static int pattern_ask(FilterPattern *pattern, Str text)
{
    if (pattern->give_ups >= FILTER_GIVE_UPS_MAX) {
        return -1;
    }
    int r = pcre2_match(pattern->code, (PCRE2_SPTR)(text.len == 0 ? "" : text.ptr), text.len, 0, 0,
                        pattern->match, pattern->limits);
    if (r >= 0 || r == PCRE2_ERROR_NOMATCH) {
        return r >= 0;
    }
    pattern->give_ups++;
    return -1;
}

uint64_t filter_give_ups(const Filter *filter)
{
    switch (filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        return filter_give_ups(filter->left) + filter_give_ups(filter->right);
    case FILTER_NOT:
        return filter_give_ups(filter->left);
    default:
        return filter->pattern == NULL ? 0 : filter->pattern->give_ups;
    }
}

bool filter_is_exhausted(const Filter *filter)
{
    switch (filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        return filter_is_exhausted(filter->left) || filter_is_exhausted(filter->right);
    case FILTER_NOT:
        return filter_is_exhausted(filter->left);
    default:
        return filter->pattern != NULL && filter->pattern->give_ups >= FILTER_GIVE_UPS_MAX;
    }
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
        return value->type == VALUE_STRING && pattern_ask(filter->pattern, value->string) == 1;
    case COMPARE_NOT_MATCH:
        return value->type == VALUE_STRING && pattern_ask(filter->pattern, value->string) == 0;
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

/* Whole numbers only: what a fraction cuts off is left to filter_compare_value(). */
bool filter_int_range(const Filter *filter, FilterRange *ret_range)
{
    int64_t operand = filter->operand.integer;

    if (filter->operand.type != VALUE_INT) {
        return false;
    }
    *ret_range = (FilterRange){INT64_MIN, INT64_MAX, false};
    switch (filter->comparison) {
    case COMPARE_EQUAL:
    case COMPARE_NOT_EQUAL:
        *ret_range = (FilterRange){operand, operand, filter->comparison == COMPARE_NOT_EQUAL};
        return true;
    case COMPARE_LESS: /* below the least there is nothing: a range from 0 to -1 */
        *ret_range = operand == INT64_MIN ? (FilterRange){0, -1, false}
                                          : (FilterRange){INT64_MIN, operand - 1, false};
        return true;
    case COMPARE_LESS_EQUAL:
        ret_range->highest = operand;
        return true;
    case COMPARE_GREATER:
        *ret_range = operand == INT64_MAX ? (FilterRange){0, -1, false}
                                          : (FilterRange){operand + 1, INT64_MAX, false};
        return true;
    case COMPARE_GREATER_EQUAL:
        ret_range->lowest = operand;
        return true;
    default:
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

static bool compare_event(const Filter *filter, const Span *span, const Event *event)
{
    switch (filter->field) {
    case FIELD_EVENT_NAME:
        return compare_text(filter, event->name);
    case FIELD_EVENT_SINCE_START:
        return event->time_ns >= span->start_ns &&
               compare_int(filter, event->time_ns - span->start_ns);
    default:
        return compare_attribute(filter, event->attributes);
    }
}

static bool compare_events(const Filter *filter, const Span *span)
{
    for (size_t i = 0; i < span->n_events; i++) {
        if (compare_event(filter, span, &span->events[i])) {
            return true;
        }
    }
    return false;
}

static bool compare_link(const Filter *filter, const Link *link)
{
    switch (filter->field) {
    case FIELD_LINK_TRACE_ID:
        return compare_id(filter, link->trace_id.bytes, TRACE_ID_SIZE);
    case FIELD_LINK_SPAN_ID:
        return compare_id(filter, link->span_id.bytes, SPAN_ID_SIZE);
    default:
        return compare_attribute(filter, link->attributes);
    }
}

static bool compare_links(const Filter *filter, const Span *span)
{
    for (size_t i = 0; i < span->n_links; i++) {
        if (compare_link(filter, &span->links[i])) {
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
    case FIELD_EVENT_SINCE_START:
        return compare_events(filter, span);
    case FIELD_LINK_ATTRIBUTE:
    case FIELD_LINK_TRACE_ID:
    case FIELD_LINK_SPAN_ID:
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
    case FIELD_TRACE_DURATION:
    case FIELD_ROOT_NAME:
    case FIELD_ROOT_SERVICE:
    case FIELD_CHILD_COUNT:
    case FIELD_NESTED_LEFT:
    case FIELD_NESTED_RIGHT:
    case FIELD_NESTED_PARENT:
        break;
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

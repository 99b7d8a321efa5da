// SPDX-License-Identifier: Apache-2.0
#include "query/traceql_parser.h"

/* What is between the braces: comparisons joined by && || ! and parentheses. */

/* Filters on their way to be joined. */
typedef struct Operands {
    const Filter **items;
    size_t count, capacity;
} Operands;

typedef struct Operand {
    bool is_field, is_nil;
    TraceqlTokenType type; /* of the token */
    size_t offset;
    FilterField field;
    Str key;
    Value value;
    enum { ENUM_NONE, ENUM_KIND, ENUM_STATUS } enumeration;
} Operand;

int traceql_fail(TraceqlParser *parser, size_t offset, const char *text)
{
    parser->lexer.error = (ParseError){.offset = offset, .text = text};
    return TRACEQL_BAD;
}

int traceql_advance(TraceqlParser *parser)
{
    return traceql_next(&parser->lexer, &parser->token);
}

static const struct {
    Str name;
    FilterField field;
} intrinsics[] = {
    {{"name", 4}, FIELD_NAME},
    {{"span:name", 9}, FIELD_NAME},
    {{"kind", 4}, FIELD_KIND},
    {{"span:kind", 9}, FIELD_KIND},
    {{"status", 6}, FIELD_STATUS},
    {{"span:status", 11}, FIELD_STATUS},
    {{"statusMessage", 13}, FIELD_STATUS_MESSAGE},
    {{"span:statusMessage", 18}, FIELD_STATUS_MESSAGE},
    {{"duration", 8}, FIELD_DURATION},
    {{"span:duration", 13}, FIELD_DURATION},
    {{"span:id", 7}, FIELD_SPAN_ID},
    {{"span:parentID", 13}, FIELD_PARENT_ID},
    {{"trace:id", 8}, FIELD_TRACE_ID},
    {{"event:name", 10}, FIELD_EVENT_NAME},
    {{"instrumentation:name", 20}, FIELD_SCOPE_NAME},
    {{"instrumentation:version", 23}, FIELD_SCOPE_VERSION},
    {{"event:timeSinceStart", 20}, FIELD_EVENT_SINCE_START},
    {{"link:traceID", 12}, FIELD_LINK_TRACE_ID},
    {{"link:spanID", 11}, FIELD_LINK_SPAN_ID},
    {{"traceDuration", 13}, FIELD_TRACE_DURATION},
    {{"trace:duration", 14}, FIELD_TRACE_DURATION},
    {{"rootName", 8}, FIELD_ROOT_NAME},
    {{"trace:rootName", 14}, FIELD_ROOT_NAME},
    {{"rootServiceName", 15}, FIELD_ROOT_SERVICE},
    {{"trace:rootService", 17}, FIELD_ROOT_SERVICE},
    {{"childCount", 10}, FIELD_CHILD_COUNT},
    {{"span:childCount", 15}, FIELD_CHILD_COUNT},
    {{"nestedSetLeft", 13}, FIELD_NESTED_LEFT},
    {{"nestedSetRight", 14}, FIELD_NESTED_RIGHT},
    {{"nestedSetParent", 15}, FIELD_NESTED_PARENT},
};

static bool word_is_field(Str word, Operand *operand)
{
    for (size_t i = 0; i < ARRAY_LEN(intrinsics); i++) {
        if (str_equal(word, intrinsics[i].name)) {
            operand->is_field = true;
            operand->field = intrinsics[i].field;
            return true;
        }
    }
    return false;
}

/* `error`, `server`, `true`, `nil` …; case counts, as in Tempo. */
static bool word_is_value(Str word, Operand *operand)
{
    static const char *const kinds[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    static const char *const codes[] = {"unset", "ok", "error"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_equal(word, str_from_cstr(kinds[i]))) {
            operand->enumeration = ENUM_KIND;
            operand->value = value_int((int64_t)i);
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (str_equal(word, str_from_cstr(codes[i]))) {
            operand->enumeration = ENUM_STATUS;
            operand->value = value_int((int64_t)i);
            return true;
        }
    }
    if (str_equal(word, STR("true")) || str_equal(word, STR("false"))) {
        operand->value = (Value){.type = VALUE_BOOL, .boolean = word.len == 4};
        return true;
    }
    operand->is_nil = str_equal(word, STR("nil"));
    return operand->is_nil;
}

static int parse_word(TraceqlParser *parser, Operand *operand)
{
    Str word = parser->token.text;

    if (word_is_field(word, operand) || word_is_value(word, operand)) {
        return 0;
    }
    if (str_equal(word, STR("parent"))) {
        return traceql_fail(parser, operand->offset,
                            "not supported: the parent as a value; { … } > { … } relates spans");
    }
    return traceql_fail(parser, operand->offset,
                        "unknown word; attributes are written span.key or .key, text in quotes");
}

static int parse_attribute(TraceqlParser *parser, Operand *operand)
{
    static const FilterField fields[] = {
        [SCOPE_ANY] = FIELD_ATTRIBUTE,
        [SCOPE_SPAN] = FIELD_SPAN_ATTRIBUTE,
        [SCOPE_RESOURCE] = FIELD_RESOURCE_ATTRIBUTE,
        [SCOPE_EVENT] = FIELD_EVENT_ATTRIBUTE,
        [SCOPE_LINK] = FIELD_LINK_ATTRIBUTE,
        [SCOPE_INSTRUMENTATION] = FIELD_SCOPE_ATTRIBUTE,
    };

    if (parser->token.scope == SCOPE_PARENT) {
        return traceql_fail(parser, operand->offset,
                            "not supported: attributes of the parent; { … } > { … } relates spans");
    }
    if (parser->token.scope == SCOPE_TRACE) {
        return traceql_fail(parser, operand->offset, "a trace has no attributes, only trace:id");
    }
    operand->is_field = true;
    operand->field = fields[parser->token.scope];
    operand->key = parser->token.text;
    return 0;
}

static int parse_operand(TraceqlParser *parser, Operand *ret_operand)
{
    Operand operand = {.type = parser->token.type, .offset = parser->token.offset};

    switch (parser->token.type) {
    case TOKEN_ATTRIBUTE:
        TRY(parse_attribute(parser, &operand));
        break;
    case TOKEN_WORD:
        TRY(parse_word(parser, &operand));
        break;
    case TOKEN_STRING:
        operand.value = value_string(parser->token.text);
        break;
    case TOKEN_INTEGER:
    case TOKEN_DURATION:
        operand.value = value_int(parser->token.integer);
        break;
    case TOKEN_DOUBLE:
        operand.value = (Value){.type = VALUE_DOUBLE, .number = parser->token.number};
        break;
    case TOKEN_ARITHMETIC:
        return traceql_fail(parser, operand.offset, "not supported: arithmetic");
    case TOKEN_END:
        return traceql_fail(parser, operand.offset,
                            "the query ends where a comparison was expected");
    default:
        return traceql_fail(parser, operand.offset, "a field or a value expected");
    }
    TRY(traceql_advance(parser));
    *ret_operand = operand;
    return 0;
}

bool traceql_comparison(TraceqlTokenType type, FilterComparison *ret_comparison)
{
    static const FilterComparison comparisons[] = {
        [TOKEN_EQUAL] = COMPARE_EQUAL,     [TOKEN_NOT_EQUAL] = COMPARE_NOT_EQUAL,
        [TOKEN_LESS] = COMPARE_LESS,       [TOKEN_LESS_EQUAL] = COMPARE_LESS_EQUAL,
        [TOKEN_GREATER] = COMPARE_GREATER, [TOKEN_GREATER_EQUAL] = COMPARE_GREATER_EQUAL,
        [TOKEN_MATCH] = COMPARE_MATCH,     [TOKEN_NOT_MATCH] = COMPARE_NOT_MATCH,
    };

    if (type < TOKEN_EQUAL || type > TOKEN_NOT_MATCH) {
        return false;
    }
    *ret_comparison = comparisons[type];
    return true;
}

/* `1s < duration` is `duration > 1s`. */
static FilterComparison comparison_mirror(FilterComparison comparison)
{
    switch (comparison) {
    case COMPARE_LESS:
        return COMPARE_GREATER;
    case COMPARE_LESS_EQUAL:
        return COMPARE_GREATER_EQUAL;
    case COMPARE_GREATER:
        return COMPARE_LESS;
    case COMPARE_GREATER_EQUAL:
        return COMPARE_LESS_EQUAL;
    default:
        return comparison;
    }
}

static bool field_is_text(FilterField field)
{
    switch (field) {
    case FIELD_NAME:
    case FIELD_STATUS_MESSAGE:
    case FIELD_SCOPE_NAME:
    case FIELD_SCOPE_VERSION:
    case FIELD_EVENT_NAME:
    case FIELD_TRACE_ID:
    case FIELD_SPAN_ID:
    case FIELD_PARENT_ID:
    case FIELD_LINK_TRACE_ID:
    case FIELD_LINK_SPAN_ID:
    case FIELD_ROOT_NAME:
    case FIELD_ROOT_SERVICE:
        return true;
    default:
        return false;
    }
}

static bool field_is_duration(FilterField field)
{
    return field == FIELD_DURATION || field == FIELD_TRACE_DURATION ||
           field == FIELD_EVENT_SINCE_START;
}

static bool field_is_number(FilterField field)
{
    return field == FIELD_CHILD_COUNT || field == FIELD_NESTED_LEFT ||
           field == FIELD_NESTED_RIGHT || field == FIELD_NESTED_PARENT;
}

/* A comparison that can never hold is a mistake worth telling: NULL, or what is wrong. */
static const char *comparison_problem(const Operand *field, FilterComparison comparison,
                                      const Operand *value)
{
    bool match = comparison == COMPARE_MATCH || comparison == COMPARE_NOT_MATCH;
    bool order = comparison >= COMPARE_LESS && comparison <= COMPARE_GREATER_EQUAL;

    if (value->is_nil) {
        return match || order ? "nil is compared with = or != only" : NULL;
    }
    if (match && value->value.type != VALUE_STRING) {
        return "=~ and !~ take a regular expression in quotes";
    }
    if (field->field == FIELD_KIND || field->field == FIELD_STATUS) {
        if (value->enumeration != (field->field == FIELD_KIND ? ENUM_KIND : ENUM_STATUS)) {
            return field->field == FIELD_KIND
                       ? "kind is one of server, client, producer, consumer, internal, "
                         "unspecified, without quotes"
                       : "status is one of ok, error, unset, without quotes";
        }
        return match || order ? "kind and status are compared with = or != only" : NULL;
    }
    if (value->enumeration != ENUM_NONE) {
        return "this word is a kind or a status; text goes in quotes";
    }
    if (field_is_duration(field->field) || field_is_number(field->field)) {
        return value->value.type == VALUE_INT || value->value.type == VALUE_DOUBLE ? NULL
               : field_is_number(field->field)
                   ? "this field is compared with a number"
                   : "duration is compared with a duration such as 1.5s or 100ms";
    }
    if (field_is_text(field->field) && value->value.type != VALUE_STRING) {
        return "this field is text: the value goes in quotes";
    }
    return value->value.type == VALUE_BOOL && order
               ? "true and false are compared with = or != only"
               : NULL;
}

static int build_match(TraceqlParser *parser, Filter compare, const Operand *value,
                       const Filter **ret_filter)
{
    ParseError error = {0};

    if (filter_match(parser->set, compare, value->value.string, ret_filter, &error) != 0) {
        /* The offset inside the expression is the query's only while no escape came before; good
         * enough to point at. */
        return traceql_fail(parser, value->offset + 1 + error.offset, error.text);
    }
    return 0;
}

static int build_comparison(TraceqlParser *parser, const Operand *field,
                            FilterComparison comparison, const Operand *value,
                            const Filter **ret_filter)
{
    Filter compare = {
        .op = FILTER_COMPARE,
        .field = field->field,
        .comparison = comparison,
        .key = field->key,
        .operand = value->value,
    };
    const char *problem = comparison_problem(field, comparison, value);

    if (problem != NULL) {
        return traceql_fail(parser, value->offset, problem);
    }
    if (value->is_nil) {
        compare.comparison = COMPARE_EXISTS;
        *ret_filter = filter_compare(parser->set, compare);
        if (comparison == COMPARE_EQUAL) {
            *ret_filter = filter_not(parser->set, *ret_filter);
        }
        return 0;
    }
    if (comparison == COMPARE_MATCH || comparison == COMPARE_NOT_MATCH) {
        return build_match(parser, compare, value, ret_filter);
    }
    *ret_filter = filter_compare(parser->set, compare);
    return 0;
}

/* `{ .cache.hit }` and `{ true }`. */
static int build_bare(TraceqlParser *parser, const Operand *operand, const Filter **ret_filter)
{
    if (operand->is_field && !field_is_text(operand->field) && operand->key.len > 0) {
        *ret_filter =
            filter_compare(parser->set, (Filter){.op = FILTER_COMPARE,
                                                 .field = operand->field,
                                                 .key = operand->key,
                                                 .operand = {.type = VALUE_BOOL, .boolean = true}});
        return 0;
    }
    if (!operand->is_field && operand->value.type == VALUE_BOOL) {
        *ret_filter = filter_all(parser->set);
        if (!operand->value.boolean) {
            *ret_filter = filter_not(parser->set, *ret_filter);
        }
        return 0;
    }
    return traceql_fail(parser, parser->token.offset,
                        "a comparison sign (= != < <= > >= =~ !~) expected");
}

static int parse_comparison(TraceqlParser *parser, const Filter **ret_filter)
{
    FilterComparison comparison;
    Operand left, right;

    TRY(parse_operand(parser, &left));
    if (parser->token.type == TOKEN_ARITHMETIC) {
        return traceql_fail(parser, parser->token.offset, "not supported: arithmetic");
    }
    if (!traceql_comparison(parser->token.type, &comparison)) {
        return build_bare(parser, &left, ret_filter);
    }
    TRY(traceql_advance(parser));
    TRY(parse_operand(parser, &right));
    if (left.is_field && right.is_field) {
        return traceql_fail(parser, right.offset, "not supported: comparing two fields");
    }
    if (!left.is_field && !right.is_field) {
        return traceql_fail(parser, left.offset, "one side of a comparison must be a field");
    }
    if (left.is_field) {
        return build_comparison(parser, &left, comparison, &right, ret_filter);
    }
    return build_comparison(parser, &right, comparison_mirror(comparison), &left, ret_filter);
}

static int parse_group(TraceqlParser *parser, const Filter **ret_filter)
{
    size_t open = parser->token.offset;

    TRY(traceql_advance(parser));
    TRY(traceql_parse_or(parser, ret_filter));
    if (parser->token.type == TOKEN_END) {
        return traceql_fail(parser, open, "the parenthesis is not closed");
    }
    if (parser->token.type != TOKEN_CLOSE_PAREN) {
        return traceql_fail(parser, parser->token.offset, "&&, || or ) expected");
    }
    return traceql_advance(parser);
}

static int parse_unary(TraceqlParser *parser, const Filter **ret_filter)
{
    bool is_not = parser->token.type == TOKEN_NOT;

    if (!is_not && parser->token.type != TOKEN_OPEN_PAREN) {
        return parse_comparison(parser, ret_filter);
    }
    if (++parser->depth > FILTER_DEPTH_MAX) {
        return traceql_fail(parser, parser->token.offset, "nested too deeply (64 at most)");
    }
    if (is_not) {
        TRY(traceql_advance(parser));
        TRY(parse_unary(parser, ret_filter));
        *ret_filter = filter_not(parser->set, *ret_filter);
    } else {
        TRY(parse_group(parser, ret_filter));
    }
    parser->depth--;
    return 0;
}

static int operands_add(TraceqlParser *parser, Operands *operands, const Filter *filter)
{
    if (parser->set->n_nodes > FILTER_NODES_MAX) {
        return traceql_fail(parser, parser->token.offset, "too many comparisons (1,024 at most)");
    }
    if (operands->count == operands->capacity) {
        size_t capacity = operands->capacity == 0 ? 4 : operands->capacity * 2;
        const Filter **grown = ARENA_ARRAY(parser->set->arena, const Filter *, capacity);

        mem_copy(grown, operands->items, operands->count * sizeof(grown[0]));
        operands->items = grown;
        operands->capacity = capacity;
    }
    operands->items[operands->count++] = filter;
    return 0;
}

static int parse_and(TraceqlParser *parser, const Filter **ret_filter)
{
    Operands operands = {0};
    const Filter *filter = NULL;

    for (;;) {
        TRY(parse_unary(parser, &filter));
        TRY(operands_add(parser, &operands, filter));
        if (parser->token.type != TOKEN_AND) {
            break;
        }
        TRY(traceql_advance(parser));
    }
    *ret_filter = filter_join(parser->set, FILTER_AND, operands.items, operands.count);
    return 0;
}

int traceql_parse_or(TraceqlParser *parser, const Filter **ret_filter)
{
    Operands operands = {0};
    const Filter *filter = NULL;

    for (;;) {
        TRY(parse_and(parser, &filter));
        TRY(operands_add(parser, &operands, filter));
        if (parser->token.type != TOKEN_OR) {
            break;
        }
        TRY(traceql_advance(parser));
    }
    *ret_filter = filter_join(parser->set, FILTER_OR, operands.items, operands.count);
    return 0;
}

int traceql_parse_braces(TraceqlParser *parser, const Filter **ret_filter)
{
    size_t open = parser->token.offset;
    const Filter *filter = NULL;

    TRY(traceql_advance(parser));
    if (parser->token.type == TOKEN_CLOSE_BRACE) {
        filter = filter_all(parser->set);
    } else {
        TRY(traceql_parse_or(parser, &filter));
    }
    if (parser->token.type == TOKEN_END) {
        return traceql_fail(parser, open, "the { is not closed");
    }
    if (parser->token.type != TOKEN_CLOSE_BRACE) {
        return traceql_fail(parser, parser->token.offset, "&&, || or } expected");
    }
    if (filter_set_finish(parser->set, filter) != 0) {
        return traceql_fail(parser, open,
                            "the query is too large (1,024 comparisons, 64 deep at most)");
    }
    *ret_filter = filter;
    return traceql_advance(parser);
}

int traceql_parse_field(TraceqlParser *parser, Filter *ret_field)
{
    size_t offset = parser->token.offset;
    Operand operand;

    TRY(parse_operand(parser, &operand));
    if (!operand.is_field) {
        return traceql_fail(parser, offset, "a field expected");
    }
    if (operand.field == FIELD_EVENT_ATTRIBUTE || operand.field == FIELD_EVENT_NAME ||
        operand.field == FIELD_EVENT_SINCE_START || operand.field == FIELD_LINK_ATTRIBUTE ||
        operand.field == FIELD_LINK_TRACE_ID || operand.field == FIELD_LINK_SPAN_ID ||
        operand.field == FIELD_TRACE_ID || operand.field == FIELD_SPAN_ID ||
        operand.field == FIELD_PARENT_ID) {
        return traceql_fail(parser, offset, "not supported: functions of ids, events and links");
    }
    *ret_field = (Filter){.op = FILTER_COMPARE, .field = operand.field, .key = operand.key};
    return 0;
}

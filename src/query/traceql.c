// SPDX-License-Identifier: Apache-2.0
#include "query/traceql.h"

#include "query/traceql_lex.h"

/*
 * Recursive descent with one token of look-ahead:
 *
 *   query      = [ "{" [ or ] "}" ]
 *   or         = and { "||" and }
 *   and        = unary { "&&" unary }
 *   unary      = "!" unary | "(" or ")" | comparison
 *   comparison = operand [ sign operand ]        one side a field, the other a value
 *
 * Chains of && and || become balanced trees, so that only parentheses and ! make depth.
 */
typedef struct Parser {
    TraceqlLexer lexer;
    TraceqlToken token; /* the look-ahead */
    FilterSet *set;
    size_t depth;
} Parser;

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

static int parse_fail(Parser *parser, size_t offset, const char *text)
{
    parser->lexer.error = (ParseError){.offset = offset, .text = text};
    return TRACEQL_BAD;
}

static int parse_advance(Parser *parser)
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
};

/* Of TraceQL, but they ask for more than one span can answer. */
static const char *const later_intrinsics[] = {
    "rootName",
    "rootServiceName",
    "traceDuration",
    "trace:duration",
    "trace:rootName",
    "trace:rootService",
    "childCount",
    "span:childCount",
    "parent",
    "nestedSetLeft",
    "nestedSetRight",
    "nestedSetParent",
    "event:timeSinceStart",
    "link:spanID",
    "link:traceID",
    "parent:id",
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

static int parse_word(Parser *parser, Operand *operand)
{
    Str word = parser->token.text;

    if (word_is_field(word, operand) || word_is_value(word, operand)) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(later_intrinsics); i++) {
        if (str_equal(word, str_from_cstr(later_intrinsics[i]))) {
            return parse_fail(parser, operand->offset,
                              "not supported yet: a filter here asks one span at a time");
        }
    }
    return parse_fail(parser, operand->offset,
                      "unknown word; attributes are written span.key or .key, text in quotes");
}

static int parse_attribute(Parser *parser, Operand *operand)
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
        return parse_fail(parser, operand->offset, "not supported yet: attributes of the parent");
    }
    if (parser->token.scope == SCOPE_TRACE) {
        return parse_fail(parser, operand->offset, "a trace has no attributes, only trace:id");
    }
    operand->is_field = true;
    operand->field = fields[parser->token.scope];
    operand->key = parser->token.text;
    return 0;
}

static int parse_operand(Parser *parser, Operand *ret_operand)
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
    case TOKEN_LATER:
        return parse_fail(parser, operand.offset, "not supported yet: arithmetic and pipelines");
    case TOKEN_END:
        return parse_fail(parser, operand.offset, "the query ends where a comparison was expected");
    default:
        return parse_fail(parser, operand.offset, "a field or a value expected");
    }
    TRY(parse_advance(parser));
    *ret_operand = operand;
    return 0;
}

static bool token_comparison(TraceqlTokenType type, FilterComparison *ret_comparison)
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
        return true;
    default:
        return false;
    }
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
    if (field->field == FIELD_DURATION) {
        return value->value.type == VALUE_INT || value->value.type == VALUE_DOUBLE
                   ? NULL
                   : "duration is compared with a duration such as 1.5s or 100ms";
    }
    if (field_is_text(field->field) && value->value.type != VALUE_STRING) {
        return "this field is text: the value goes in quotes";
    }
    return value->value.type == VALUE_BOOL && order
               ? "true and false are compared with = or != only"
               : NULL;
}

static int build_match(Parser *parser, Filter compare, const Operand *value,
                       const Filter **ret_filter)
{
    ParseError error = {0};

    if (filter_match(parser->set, compare, value->value.string, ret_filter, &error) != 0) {
        /* The offset inside the expression is the query's only while no escape came before; good
         * enough to point at. */
        return parse_fail(parser, value->offset + 1 + error.offset, error.text);
    }
    return 0;
}

static int build_comparison(Parser *parser, const Operand *field, FilterComparison comparison,
                            const Operand *value, const Filter **ret_filter)
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
        return parse_fail(parser, value->offset, problem);
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
static int build_bare(Parser *parser, const Operand *operand, const Filter **ret_filter)
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
    return parse_fail(parser, parser->token.offset,
                      "a comparison sign (= != < <= > >= =~ !~) expected");
}

static int parse_comparison(Parser *parser, const Filter **ret_filter)
{
    FilterComparison comparison;
    Operand left, right;

    TRY(parse_operand(parser, &left));
    if (parser->token.type == TOKEN_LATER) {
        return parse_fail(parser, parser->token.offset,
                          "not supported yet: arithmetic and pipelines");
    }
    if (!token_comparison(parser->token.type, &comparison)) {
        return build_bare(parser, &left, ret_filter);
    }
    TRY(parse_advance(parser));
    TRY(parse_operand(parser, &right));
    if (left.is_field && right.is_field) {
        return parse_fail(parser, right.offset, "not supported yet: comparing two fields");
    }
    if (!left.is_field && !right.is_field) {
        return parse_fail(parser, left.offset, "one side of a comparison must be a field");
    }
    if (left.is_field) {
        return build_comparison(parser, &left, comparison, &right, ret_filter);
    }
    return build_comparison(parser, &right, comparison_mirror(comparison), &left, ret_filter);
}

static int parse_or(Parser *parser, const Filter **ret_filter);

static int parse_group(Parser *parser, const Filter **ret_filter)
{
    size_t open = parser->token.offset;

    TRY(parse_advance(parser));
    TRY(parse_or(parser, ret_filter));
    if (parser->token.type == TOKEN_END) {
        return parse_fail(parser, open, "the parenthesis is not closed");
    }
    if (parser->token.type != TOKEN_CLOSE_PAREN) {
        return parse_fail(parser, parser->token.offset, "&&, || or ) expected");
    }
    return parse_advance(parser);
}

static int parse_unary(Parser *parser, const Filter **ret_filter)
{
    bool is_not = parser->token.type == TOKEN_NOT;

    if (!is_not && parser->token.type != TOKEN_OPEN_PAREN) {
        return parse_comparison(parser, ret_filter);
    }
    if (++parser->depth > FILTER_DEPTH_MAX) {
        return parse_fail(parser, parser->token.offset, "nested too deeply (64 at most)");
    }
    if (is_not) {
        TRY(parse_advance(parser));
        TRY(parse_unary(parser, ret_filter));
        *ret_filter = filter_not(parser->set, *ret_filter);
    } else {
        TRY(parse_group(parser, ret_filter));
    }
    parser->depth--;
    return 0;
}

static int operands_add(Parser *parser, Operands *operands, const Filter *filter)
{
    if (parser->set->n_nodes > FILTER_NODES_MAX) {
        return parse_fail(parser, parser->token.offset, "too many comparisons (1,024 at most)");
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

static int parse_and(Parser *parser, const Filter **ret_filter)
{
    Operands operands = {0};
    const Filter *filter = NULL;

    for (;;) {
        TRY(parse_unary(parser, &filter));
        TRY(operands_add(parser, &operands, filter));
        if (parser->token.type != TOKEN_AND) {
            break;
        }
        TRY(parse_advance(parser));
    }
    *ret_filter = filter_join(parser->set, FILTER_AND, operands.items, operands.count);
    return 0;
}

static int parse_or(Parser *parser, const Filter **ret_filter)
{
    Operands operands = {0};
    const Filter *filter = NULL;

    for (;;) {
        TRY(parse_and(parser, &filter));
        TRY(operands_add(parser, &operands, filter));
        if (parser->token.type != TOKEN_OR) {
            break;
        }
        TRY(parse_advance(parser));
    }
    *ret_filter = filter_join(parser->set, FILTER_OR, operands.items, operands.count);
    return 0;
}

static int parse_braces(Parser *parser, const Filter **ret_filter)
{
    size_t open = parser->token.offset;

    if (parser->token.type != TOKEN_OPEN_BRACE) {
        return parse_fail(parser, open, "a query begins with {");
    }
    TRY(parse_advance(parser));
    if (parser->token.type == TOKEN_CLOSE_BRACE) {
        *ret_filter = filter_all(parser->set);
    } else {
        TRY(parse_or(parser, ret_filter));
    }
    if (parser->token.type == TOKEN_END) {
        return parse_fail(parser, open, "the { is not closed");
    }
    if (parser->token.type != TOKEN_CLOSE_BRACE) {
        return parse_fail(parser, parser->token.offset, "&&, || or } expected");
    }
    TRY(parse_advance(parser));
    if (parser->token.type != TOKEN_END) {
        return parse_fail(parser, parser->token.offset,
                          "not supported yet: more than one { … }, and what may follow it");
    }
    return 0;
}

static int parse_query(Parser *parser)
{
    const Filter *root = NULL;

    if (parser->lexer.text.len > TRACEQL_QUERY_MAX) {
        return parse_fail(parser, TRACEQL_QUERY_MAX, "the query is longer than 32 KiB");
    }
    TRY(parse_advance(parser));
    if (parser->token.type == TOKEN_END) {
        root = filter_all(parser->set);
    } else {
        TRY(parse_braces(parser, &root));
    }
    if (filter_set_finish(parser->set, root) != 0) {
        return parse_fail(parser, 0, "the query is too large (1,024 comparisons, 64 deep at most)");
    }
    return 0;
}

int traceql_parse(Str text, FilterSet *set, ParseError *ret_error)
{
    Parser parser = {.lexer = {.text = text, .arena = set->arena}, .set = set};
    int result = parse_query(&parser);

    if (result != 0) {
        *ret_error = parser.lexer.error;
    }
    return result;
}

// SPDX-License-Identifier: Apache-2.0
#include "query/traceql.h"

#include "query/traceql_parser.h"

/*
 * What is around the braces:
 *
 *   query    = [ pipeline ]
 *   pipeline = or { "|" stage }
 *   or       = and { "||" and }
 *   and      = relation { "&&" relation }
 *   relation = primary { ">>" primary }             and the other signs of relations, from the left
 *   primary  = "{" filter "}" | "(" pipeline ")"
 *   stage    = "{" filter "}" | function "(" [ field ] ")" sign number | "by" "(" field ")"
 *            | "coalesce" "(" ")" | "select" "(" field { "," field } ")"
 *
 * && binds closer than ||, as everywhere but in Tempo, where both are alike; who mixes them without
 * parentheses has met one of the two.
 */
enum { SPANSETS_MAX = 64, STAGES_MAX = 32 };

static int parse_pipeline(TraceqlParser *parser, const Spanset **ret_spanset);

static Spanset *new_spanset(TraceqlParser *parser, Spanset spanset)
{
    Spanset *copy = ARENA_NEW(parser->set->arena, Spanset);

    *copy = spanset;
    return copy;
}

static int parse_primary(TraceqlParser *parser, const Spanset **ret_spanset)
{
    size_t open = parser->token.offset;

    if (++parser->n_spansets > SPANSETS_MAX) {
        return traceql_fail(parser, open, "too many { … } (64 at most)");
    }
    if (parser->token.type == TOKEN_OPEN_BRACE) {
        Spanset spanset = {.op = SPANSET_FILTER};

        TRY(traceql_parse_braces(parser, &spanset.filter));
        *ret_spanset = new_spanset(parser, spanset);
        return 0;
    }
    if (parser->token.type != TOKEN_OPEN_PAREN) {
        return traceql_fail(parser, open, open == 0 ? "a query begins with {" : "{ or ( expected");
    }
    if (++parser->depth > FILTER_DEPTH_MAX) {
        return traceql_fail(parser, open, "nested too deeply (64 at most)");
    }
    TRY(traceql_advance(parser));
    TRY(parse_pipeline(parser, ret_spanset));
    parser->depth--;
    if (parser->token.type != TOKEN_CLOSE_PAREN) {
        return traceql_fail(parser, open, "the parenthesis is not closed");
    }
    return traceql_advance(parser);
}

static const struct {
    TraceqlTokenType type;
    SpansetOperator op;
    bool is_negated, is_union;
} relations[] = {
    {TOKEN_DESCENDANT, SPANSET_DESCENDANT, false, false},
    {TOKEN_GREATER, SPANSET_CHILD, false, false},
    {TOKEN_ANCESTOR, SPANSET_ANCESTOR, false, false},
    {TOKEN_LESS, SPANSET_PARENT, false, false},
    {TOKEN_SIBLING, SPANSET_SIBLING, false, false},
    {TOKEN_NOT_DESCENDANT, SPANSET_DESCENDANT, true, false},
    {TOKEN_NOT_CHILD, SPANSET_CHILD, true, false},
    {TOKEN_NOT_ANCESTOR, SPANSET_ANCESTOR, true, false},
    {TOKEN_NOT_PARENT, SPANSET_PARENT, true, false},
    {TOKEN_NOT_MATCH, SPANSET_SIBLING, true, false},
    {TOKEN_UNION_DESCENDANT, SPANSET_DESCENDANT, false, true},
    {TOKEN_UNION_CHILD, SPANSET_CHILD, false, true},
    {TOKEN_UNION_ANCESTOR, SPANSET_ANCESTOR, false, true},
    {TOKEN_UNION_PARENT, SPANSET_PARENT, false, true},
    {TOKEN_UNION_SIBLING, SPANSET_SIBLING, false, true},
};

/* The relation that the token is, or ARRAY_LEN(relations). */
static size_t relation_of(TraceqlTokenType type)
{
    size_t i = 0;

    while (i < ARRAY_LEN(relations) && relations[i].type != type) {
        i++;
    }
    return i;
}

static int parse_relation(TraceqlParser *parser, const Spanset **ret_spanset)
{
    size_t relation;

    TRY(parse_primary(parser, ret_spanset));
    while ((relation = relation_of(parser->token.type)) < ARRAY_LEN(relations)) {
        Spanset spanset = {.op = relations[relation].op,
                           .is_negated = relations[relation].is_negated,
                           .is_union = relations[relation].is_union,
                           .left = *ret_spanset};

        TRY(traceql_advance(parser));
        TRY(parse_primary(parser, &spanset.right));
        *ret_spanset = new_spanset(parser, spanset);
    }
    return 0;
}

static int parse_and(TraceqlParser *parser, const Spanset **ret_spanset)
{
    TRY(parse_relation(parser, ret_spanset));
    while (parser->token.type == TOKEN_AND) {
        Spanset spanset = {.op = SPANSET_AND, .left = *ret_spanset};

        TRY(traceql_advance(parser));
        TRY(parse_relation(parser, &spanset.right));
        *ret_spanset = new_spanset(parser, spanset);
    }
    return 0;
}

static int parse_or(TraceqlParser *parser, const Spanset **ret_spanset)
{
    TRY(parse_and(parser, ret_spanset));
    while (parser->token.type == TOKEN_OR) {
        Spanset spanset = {.op = SPANSET_OR, .left = *ret_spanset};

        TRY(traceql_advance(parser));
        TRY(parse_and(parser, &spanset.right));
        *ret_spanset = new_spanset(parser, spanset);
    }
    return 0;
}

/* --- Stages --- */

static int expect(TraceqlParser *parser, TraceqlTokenType type, const char *text)
{
    return parser->token.type == type ? traceql_advance(parser)
                                      : traceql_fail(parser, parser->token.offset, text);
}

static int parse_number(TraceqlParser *parser, Value *ret_value)
{
    switch (parser->token.type) {
    case TOKEN_INTEGER:
    case TOKEN_DURATION:
        *ret_value = value_int(parser->token.integer);
        break;
    case TOKEN_DOUBLE:
        *ret_value = (Value){.type = VALUE_DOUBLE, .number = parser->token.number};
        break;
    default:
        return traceql_fail(parser, parser->token.offset, "a number or a duration expected");
    }
    return traceql_advance(parser);
}

/* Behind `count(`, `avg(` and so on. */
static int parse_aggregate(TraceqlParser *parser, TraceStage *stage)
{
    Filter compare = {.op = FILTER_COMPARE};

    stage->type = STAGE_AGGREGATE;
    if (stage->function != FUNCTION_COUNT) {
        TRY(traceql_parse_field(parser, &compare));
    }
    TRY(expect(parser, TOKEN_CLOSE_PAREN, ") expected"));
    if (!traceql_comparison(parser->token.type, &compare.comparison) ||
        compare.comparison > COMPARE_GREATER_EQUAL) {
        return traceql_fail(parser, parser->token.offset,
                            "a comparison sign (= != < <= > >=) expected");
    }
    TRY(traceql_advance(parser));
    TRY(parse_number(parser, &compare.operand));
    stage->filter = filter_compare(parser->set, compare);
    return 0;
}

static int parse_by(TraceqlParser *parser, TraceStage *stage)
{
    Filter field;

    stage->type = STAGE_BY;
    TRY(traceql_parse_field(parser, &field));
    stage->filter = filter_compare(parser->set, field);
    return expect(parser, TOKEN_CLOSE_PAREN, ") expected");
}

static int parse_select(TraceqlParser *parser, TraceStage *stage)
{
    Filter field;

    stage->type = STAGE_SELECT;
    for (;;) {
        TRY(traceql_parse_field(parser, &field));
        if (parser->token.type != TOKEN_COMMA) {
            return expect(parser, TOKEN_CLOSE_PAREN, ", or ) expected");
        }
        TRY(traceql_advance(parser));
    }
}

static int parse_named_stage(TraceqlParser *parser, TraceStage *stage)
{
    static const char *const functions[] = {"count", "avg", "min", "max", "sum"};
    Str word = parser->token.text;
    size_t offset = parser->token.offset;

    if (parser->token.type != TOKEN_WORD) {
        return traceql_fail(parser, offset, "{ or a function expected behind |");
    }
    TRY(traceql_advance(parser));
    TRY(expect(parser, TOKEN_OPEN_PAREN, "( expected"));
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_equal(word, str_from_cstr(functions[i]))) {
            stage->function = (TraceFunction)i;
            return parse_aggregate(parser, stage);
        }
    }
    if (str_equal(word, STR("by"))) {
        return parse_by(parser, stage);
    }
    if (str_equal(word, STR("select"))) {
        return parse_select(parser, stage);
    }
    if (str_equal(word, STR("coalesce"))) {
        stage->type = STAGE_COALESCE;
        return expect(parser, TOKEN_CLOSE_PAREN, ") expected");
    }
    return traceql_fail(parser, offset,
                        "not supported: this function; there are count, avg, min, max, sum, by, "
                        "coalesce and select");
}

static int parse_stage(TraceqlParser *parser, TraceStage *stage)
{
    if (parser->token.type == TOKEN_OPEN_BRACE) {
        stage->type = STAGE_FILTER;
        return traceql_parse_braces(parser, &stage->filter);
    }
    return parse_named_stage(parser, stage);
}

static int parse_stages(TraceqlParser *parser, TraceStage **end)
{

    for (size_t n = 0; parser->token.type == TOKEN_PIPE; n++) {
        TraceStage *stage = ARENA_NEW(parser->set->arena, TraceStage);

        if (n == STAGES_MAX) {
            return traceql_fail(parser, parser->token.offset, "too many stages (32 at most)");
        }
        TRY(traceql_advance(parser));
        TRY(parse_stage(parser, stage));
        *end = stage;
        end = &stage->next;
    }
    return 0;
}

static int parse_pipeline(TraceqlParser *parser, const Spanset **ret_spanset)
{
    const Spanset *spanset = NULL;

    TRY(parse_or(parser, &spanset));
    if (parser->token.type == TOKEN_PIPE) {
        Spanset *staged = new_spanset(parser, *spanset);
        TraceStage **end = &staged->stages;

        while (*end != NULL) { /* of a parenthesis: its stages come first */
            end = &(*end)->next;
        }
        TRY(parse_stages(parser, end));
        spanset = staged;
    }
    *ret_spanset = spanset;
    return 0;
}

static int parse_query(TraceqlParser *parser, const Spanset **ret_root)
{
    if (parser->lexer.text.len > TRACEQL_QUERY_MAX) {
        return traceql_fail(parser, TRACEQL_QUERY_MAX, "the query is longer than 32 KiB");
    }
    TRY(traceql_advance(parser));
    if (parser->token.type == TOKEN_END) {
        *ret_root =
            new_spanset(parser, (Spanset){.op = SPANSET_FILTER, .filter = filter_all(parser->set)});
        return 0;
    }
    TRY(parse_pipeline(parser, ret_root));
    return parser->token.type == TOKEN_END
               ? 0
               : traceql_fail(parser, parser->token.offset,
                              "&&, ||, |, a relation (>> > << < ~) or the end expected");
}

int traceql_parse(Str text, FilterSet *set, TraceQuery *ret_query, ParseError *ret_error)
{
    TraceqlParser parser = {.lexer = {.text = text, .arena = set->arena}, .set = set};
    TraceQuery query = {.set = set};

    if (parse_query(&parser, &query.root) != 0) {
        *ret_error = parser.lexer.error;
        return TRACEQL_BAD;
    }
    trace_query_finish(&query);
    set->root = query.filter;
    *ret_query = query;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "map/contract/sql.h"

#include "base/assert.h"
#include "base/memory.h"
#include "map/contract/sql_token.h"

/*
 * Walks the tokens of each statement once, with one Level per open parenthesis: which verbs are
 * open in it (FROM means a table only below SELECT, DELETE and UPDATE) and whether a comma
 * continues a list of tables. `expected` says that the next name is a table.
 *
 * Names of common table expressions hide tables in the whole statement, before and behind their
 * definition, so what a statement names is filtered when its end is reached.
 */
enum { OPEN_SELECT = 1, OPEN_DELETE = 2, OPEN_UPDATE = 4, OPEN_MERGE = 8 };

typedef struct Level {
    uint8_t open;
    bool list;        /* a comma continues a list of tables ... */
    bool list_writes; /* ... that are written */
} Level;

typedef struct Expected {
    bool name;     /* the next name is a table */
    bool writes;   /* that is written */
    bool list;     /* a comma behind it brings another */
    bool callable; /* followed by `(` it is a function */
} Expected;

typedef struct Reader {
    const Token *tokens;
    size_t n_tokens;
    Arena *arena;
    Level levels[SQL_DEPTH_MAX];
    size_t depth;
    Expected expected;
    SqlTable *tables;
    size_t n_tables, capacity;
    Str ctes[SQL_CTES_MAX];
    size_t n_ctes;
    size_t statement; /* its first table */
} Reader;

static const Token *token_at(const Reader *reader, size_t index)
{
    static const Token end = {.type = TOKEN_END};

    return index < reader->n_tokens ? &reader->tokens[index] : &end;
}

static Level *level_of(Reader *reader)
{
    return &reader->levels[MIN(reader->depth, (size_t)SQL_DEPTH_MAX - 1)];
}

static void expect(Reader *reader, bool writes, bool list, bool callable)
{
    reader->expected =
        (Expected){.name = true, .writes = writes, .list = list, .callable = callable};
}

static void grow_tables(Reader *reader)
{
    size_t capacity = reader->capacity == 0 ? 4 : reader->capacity * 2;
    SqlTable *tables = arena_alloc(reader->arena, capacity * sizeof(*tables));

    if (reader->n_tables > 0) {
        mem_copy(tables, reader->tables, reader->n_tables * sizeof(*tables));
    }
    reader->tables = tables;
    reader->capacity = capacity;
}

static void add_table(Reader *reader, const Token *token, bool writes)
{
    if (reader->n_tables == SQL_TABLES_MAX) {
        return;
    }
    if (reader->n_tables == reader->capacity) {
        grow_tables(reader);
    }
    Str name = token_name(token, reader->arena);
    if (name.len > 0) {
        reader->tables[reader->n_tables++] = (SqlTable){.name = name, .writes = writes};
    }
}

/*
 * The token at @index where a table is expected. Returns whether it was used up: a word to skip or
 * the name itself. Everything else ends the expectation and means what it means elsewhere.
 */
static bool take_expected(Reader *reader, size_t index)
{
    const Token *token = token_at(reader, index);
    Expected expected = reader->expected;
    bool name =
        token->type == TOKEN_NAME || (token->type == TOKEN_WORD && token->keyword == WORD_OTHER);

    if (token->keyword == WORD_SKIPPED || token->keyword == WORD_NOT ||
        token->keyword == WORD_TABLE) {
        return true;
    }
    reader->expected.name = false;
    if (expected.list && (name || token_is_mark(token, '('))) {
        level_of(reader)->list = true;
        level_of(reader)->list_writes = expected.writes;
    }
    if (name && !(expected.callable && token_is_mark(token_at(reader, index + 1), '('))) {
        add_table(reader, token, expected.writes);
    }
    return name;
}

/* The CTE whose name stands at @index: notes it. Returns the index behind its body; @index when it
 * is none. */
static size_t take_cte(Reader *reader, size_t index)
{
    const Token *name = token_at(reader, index);
    size_t at = index + 1;

    if (name->type != TOKEN_WORD && name->type != TOKEN_NAME) {
        return index;
    }
    if (token_is_mark(token_at(reader, at), '(')) {
        at = (size_t)token_at(reader, at)->match + 1;
    }
    if (token_at(reader, at)->keyword != WORD_AS) {
        return index;
    }
    do {
        at++;
    } while (token_at(reader, at)->keyword == WORD_NOT ||
             token_at(reader, at)->keyword == WORD_MATERIALIZED);
    if (!token_is_mark(token_at(reader, at), '(')) {
        return index;
    }
    if (reader->n_ctes < SQL_CTES_MAX) {
        reader->ctes[reader->n_ctes++] = token_name(name, reader->arena);
    }
    return (size_t)token_at(reader, at)->match + 1;
}

/* WITH [RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] (...), name ... */
static void take_ctes(Reader *reader, size_t index)
{
    size_t at = index + 1;

    if (token_at(reader, at)->keyword == WORD_RECURSIVE) {
        at++;
    }
    for (;;) {
        size_t behind = take_cte(reader, at);

        if (behind == at) {
            return;
        }
        level_of(reader)->list = false;
        if (!token_is_mark(token_at(reader, behind), ',')) {
            return;
        }
        at = behind + 1;
    }
}

/* DELETE [LOW_PRIORITY] [IGNORE] FROM: the FROM at @index belongs to a DELETE. */
static bool is_delete_from(const Reader *reader, size_t index)
{
    while (index > 0 && token_at(reader, index - 1)->keyword == WORD_SKIPPED) {
        index--;
    }
    return index > 0 && token_at(reader, index - 1)->keyword == WORD_DELETE;
}

static void take_from(Reader *reader, size_t index)
{
    if (is_delete_from(reader, index)) {
        expect(reader, true, true, true);
    } else if ((level_of(reader)->open & (OPEN_SELECT | OPEN_DELETE | OPEN_UPDATE)) != 0 &&
               (index == 0 || token_at(reader, index - 1)->keyword != WORD_DISTINCT)) {
        expect(reader, false, true, true);
    }
}

/* FOR UPDATE, ON DUPLICATE KEY UPDATE, DO UPDATE and ON UPDATE name no table. */
static void take_update(Reader *reader, size_t index)
{
    Keyword before = index == 0 ? WORD_OTHER : token_at(reader, index - 1)->keyword;

    level_of(reader)->list = false;
    if (before == WORD_FOR || before == WORD_KEY || before == WORD_DO || before == WORD_ON) {
        return;
    }
    level_of(reader)->open |= OPEN_UPDATE;
    expect(reader, true, true, false);
}

static void take_keyword(Reader *reader, size_t index)
{
    Level *level = level_of(reader);
    Keyword keyword = token_at(reader, index)->keyword;

    switch (keyword) {
    case WORD_SELECT:
        level->open |= OPEN_SELECT;
        level->list = false;
        break;
    case WORD_DELETE:
        level->open |= OPEN_DELETE;
        level->list = false;
        break;
    case WORD_MERGE:
        level->open |= OPEN_MERGE;
        break;
    case WORD_UPDATE:
        take_update(reader, index);
        break;
    case WORD_FROM:
        take_from(reader, index);
        break;
    case WORD_JOIN:
        expect(reader, false, false, true);
        break;
    case WORD_USING:
        if ((level->open & (OPEN_DELETE | OPEN_MERGE)) != 0) {
            expect(reader, false, true, true);
        }
        break;
    case WORD_INTO:
        level->list = false;
        expect(reader, true, false, false);
        break;
    case WORD_TRUNCATE:
    case WORD_DROP:
    case WORD_CREATE:
    case WORD_ALTER:
        if (token_at(reader, index + 1)->keyword == WORD_TABLE) {
            expect(reader, true, keyword == WORD_TRUNCATE || keyword == WORD_DROP, false);
        }
        break;
    case WORD_WITH:
        take_ctes(reader, index);
        break;
    case WORD_FOR:
    case WORD_ENDS:
        level->list = false;
        break;
    default:
        break;
    }
}

static void take_mark(Reader *reader, const Token *token)
{
    Level *level = level_of(reader);

    if (token_is_mark(token, '(')) {
        reader->depth++;
        *level_of(reader) = (Level){0};
    } else if (token_is_mark(token, ')')) {
        reader->depth -= reader->depth > 0;
    } else if (token_is_mark(token, ',') && level->list) {
        expect(reader, level->list_writes, true, true);
    }
}

static bool is_hidden(const Reader *reader, Str name)
{
    for (size_t i = 0; i < reader->n_ctes; i++) {
        if (str_equal_nocase(reader->ctes[i], name)) {
            return true;
        }
    }
    return false;
}

static void end_statement(Reader *reader)
{
    size_t kept = reader->statement;

    for (size_t i = reader->statement; i < reader->n_tables; i++) {
        if (!is_hidden(reader, reader->tables[i].name)) {
            reader->tables[kept++] = reader->tables[i];
        }
    }
    reader->n_tables = kept;
    reader->statement = kept;
    reader->n_ctes = 0;
    reader->depth = 0;
    reader->levels[0] = (Level){0};
    reader->expected = (Expected){0};
}

/* All tokens of @text, with the parentheses matched; an unclosed one ends at the last token. */
static Token *read_tokens(Str text, Arena *arena, size_t *ret_n)
{
    size_t capacity = MIN(text.len / 2 + 2, (size_t)SQL_TOKENS_MAX);
    Token *tokens = arena_alloc(arena, capacity * sizeof(*tokens));
    size_t n = 0;
    size_t at = 0;
    uint32_t open = UINT32_MAX; /* the innermost open one; each holds the next outer in match */

    while (n < capacity) {
        tokens[n] = token_next(text, &at);
        if (tokens[n].type == TOKEN_END) {
            break;
        }
        if (token_is_mark(&tokens[n], '(')) {
            tokens[n].match = open;
            open = (uint32_t)n;
        } else if (token_is_mark(&tokens[n], ')') && open != UINT32_MAX) {
            uint32_t outer = tokens[open].match;
            tokens[open].match = (uint32_t)n;
            open = outer;
        }
        n++;
    }
    while (open != UINT32_MAX) {
        uint32_t outer = tokens[open].match;
        tokens[open].match = (uint32_t)n;
        open = outer;
    }
    *ret_n = n;
    return tokens;
}

void sql_read_tables(Str text, Arena *arena, SqlTables *ret_tables)
{
    Reader *reader = ARENA_NEW(arena, Reader);

    reader->arena = arena;
    reader->tokens = read_tokens(text, arena, &reader->n_tokens);
    for (size_t i = 0; i < reader->n_tokens; i++) {
        const Token *token = &reader->tokens[i];

        if (token_is_mark(token, ';')) {
            end_statement(reader);
        } else if (reader->expected.name && take_expected(reader, i)) {
            continue;
        } else if (token->type == TOKEN_MARK) {
            take_mark(reader, token);
        } else if (token->type == TOKEN_WORD && token->keyword != WORD_OTHER) {
            take_keyword(reader, i);
        }
    }
    end_statement(reader);
    *ret_tables = (SqlTables){.items = reader->tables, .count = reader->n_tables};
}

// SPDX-License-Identifier: Apache-2.0
#include "map/contract/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "map/contract/sql_token.h"

/* The tables of @text as "r:name w:name …", in order of appearance. */
static void assert_tables(const char *text, const char *expected)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    SqlTables tables;

    sql_read_tables(str_from_cstr(text), &arena, &tables);
    for (size_t i = 0; i < tables.count; i++) {
        buf_append_format(&got, "%s%c:%.*s", i == 0 ? "" : " ", tables.items[i].writes ? 'w' : 'r',
                          STR_ARG(tables.items[i].name));
    }
    if (!str_equal(buf_str(&got), str_from_cstr(expected))) {
        fail_msg("%s\n  gave     %s\n  expected %s", text, buf_cstr(&got), expected);
    }
}

static void test_from_and_join_are_read(void **state)
{
    (void)state;
    assert_tables("SELECT * FROM items WHERE a = 'FROM x'", "r:items");
    assert_tables("select a from x join y on x.i = y.i left outer join z using (i), w",
                  "r:x r:y r:z r:w");
    assert_tables("SELECT * FROM a x, b AS y WHERE x.i = y.i ORDER BY x.i, y.i", "r:a r:b");
    assert_tables("SELECT * FROM (SELECT * FROM a) AS sub, c WHERE EXISTS (SELECT 1 FROM b)",
                  "r:a r:c r:b");
    assert_tables("SELECT * FROM a UNION ALL SELECT * FROM b", "r:a r:b");
    assert_tables("SELECT * FROM ONLY a, LATERAL (SELECT 1 FROM b) x", "r:a r:b");
}

static void test_writes_of_every_kind(void **state)
{
    (void)state;
    assert_tables("INSERT INTO t (a, b) VALUES (1, 2), (3, 4)", "w:t");
    assert_tables("INSERT t SELECT * FROM s", "r:s");
    assert_tables("REPLACE INTO t SELECT * FROM s", "w:t r:s");
    assert_tables("UPDATE t SET a = (SELECT max(b) FROM u)", "w:t r:u");
    assert_tables("UPDATE a, b SET a.x = b.x, y = 1", "w:a w:b");
    assert_tables("UPDATE t SET a = 1 FROM u WHERE t.i = u.i", "w:t r:u");
    assert_tables("UPDATE ONLY t SET a = 1; DELETE FROM ONLY u", "w:t w:u");
    assert_tables("DELETE FROM t WHERE i IN (SELECT i FROM u)", "w:t r:u");
    assert_tables("DELETE LOW_PRIORITY IGNORE FROM t USING a, b", "w:t r:a r:b");
    assert_tables("DELETE t FROM t JOIN u", "r:t r:u");
    assert_tables("DROP TABLE IF EXISTS a, b CASCADE; TRUNCATE TABLE c, d", "w:a w:b w:c w:d");
    assert_tables("CREATE TABLE IF NOT EXISTS t (a int)", "w:t");
    assert_tables("CREATE TABLE t AS SELECT * FROM s", "w:t r:s");
    assert_tables("ALTER TABLE t ADD a int, ADD b int", "w:t");
    assert_tables("SELECT a INTO b FROM c", "w:b r:c");
}

static void test_update_and_from_that_name_no_table(void **state)
{
    (void)state;
    assert_tables("SELECT * FROM t FOR UPDATE SKIP LOCKED", "r:t");
    assert_tables("SELECT * FROM t FOR NO KEY UPDATE OF t, u", "r:t");
    assert_tables("INSERT INTO t SELECT a FROM s ON DUPLICATE KEY UPDATE a = 1, b = 2", "w:t r:s");
    assert_tables("INSERT INTO t VALUES (1) ON CONFLICT (i) DO UPDATE SET a = 1", "w:t");
    assert_tables("CREATE TABLE t (a int REFERENCES u (i) ON UPDATE CASCADE ON DELETE CASCADE)",
                  "w:t");
    assert_tables("MERGE INTO t USING s ON t.i = s.i WHEN MATCHED THEN UPDATE SET a = 1, b = 2",
                  "w:t r:s");
    assert_tables("MERGE INTO t USING (SELECT * FROM q) s ON a = b WHEN MATCHED THEN DELETE",
                  "w:t r:q");
    assert_tables("SELECT EXTRACT(YEAR FROM d), TRIM(x FROM y), a IS DISTINCT FROM b FROM t",
                  "r:t");
    assert_tables("SELECT * FROM a; SHOW TABLES FROM b; COPY c FROM STDIN", "r:a");
    assert_tables("SELECT 1 FROM a; CREATE INDEX i ON b USING gin (c)", "r:a");
    assert_tables("SELECT o.update, o.from, x FROM t o", "r:t");
}

static void test_functions_are_no_tables(void **state)
{
    (void)state;
    assert_tables("SELECT * FROM generate_series(1, 3) g, t", "r:t");
    assert_tables("SELECT * FROM t JOIN unnest(t.a) x ON true", "r:t");
    assert_tables("SELECT * FROM t JOIN u USING (i)", "r:t r:u");
}

static void test_names_of_ctes_hide_tables_in_their_statement(void **state)
{
    (void)state;
    assert_tables("WITH moved AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM moved",
                  "w:a w:b");
    assert_tables("WITH Recent AS (SELECT * FROM a) SELECT * FROM recent", "r:a");
    assert_tables("WITH RECURSIVE x (i, j) AS NOT MATERIALIZED (SELECT * FROM y), "
                  "y AS (SELECT * FROM b) SELECT * FROM x, y, c; SELECT * FROM x",
                  "r:b r:c r:x");
    assert_tables("SELECT * FROM (WITH q AS (SELECT 1 FROM a) SELECT * FROM q) s, t", "r:a r:t");
    assert_tables("SELECT * FROM a WITH (NOLOCK), b", "r:a r:b");
}

static void test_quotes_comments_and_literals(void **state)
{
    (void)state;
    assert_tables("SELECT * FROM \"a\".\"b\", `c`.d, [e].[f g]", "r:a.b r:c.d r:e.f g");
    assert_tables("SELECT * FROM \"say \"\"hi\"\"\"", "r:say \"hi\"");
    assert_tables("SELECT '\\' FROM x', 'it''s FROM y', E'z' /* FROM c */ FROM t -- FROM u\n, v",
                  "r:t r:v");
    assert_tables("SELECT a[1], 'x' FROM t", "r:t");
    assert_tables("SELECT\"a\"FROM`t`JOIN`u`ON 1=1", "r:t r:u");
    assert_tables("SELECT \"from\", `update` FROM Mixed.Case", "r:Mixed.Case");
    assert_tables("SELECT * FROM \xc3\xa4pfel", "r:\xc3\xa4pfel");
}

static void test_damaged_texts_end(void **state)
{
    (void)state;
    assert_tables("", "");
    assert_tables("SELECT * FROM", "");
    assert_tables("SELECT 'abc FROM t", "");
    assert_tables("SELECT /* FROM t", "");
    assert_tables("SELECT * FROM \"t", "r:t");
    assert_tables("))) SELECT * FROM t (((", "");
    assert_tables("WITH", "");
    assert_tables("WITH a AS (", "");
    assert_tables("UPDATE SET FROM SELECT", "");
}

static void test_deep_and_wide_texts_are_bounded(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf text = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    SqlTables tables;

    for (int i = 0; i < 5000; i++) {
        buf_append_str(&text, STR("(SELECT * FROM t, "));
    }
    sql_read_tables(buf_str(&text), &arena, &tables);
    assert_int_equal(tables.count, SQL_TABLES_MAX);
}

static void test_words(void **state)
{
    (void)state;
    Str text = STR("/* a */ (\"q\" SELECT 'b' o.x ?, 12 from");
    Str word;

    assert_true(sql_next_word(&text, &word) && str_equal(word, STR("SELECT")));
    assert_true(sql_next_word(&text, &word) && str_equal(word, STR("o.x")));
    assert_true(sql_next_word(&text, &word) && str_equal(word, STR("from")));
    assert_false(sql_next_word(&text, &word));
    assert_true(str_equal(sql_first_word(STR("-- c\n ((SELECT 1")), STR("SELECT")));
    assert_int_equal(sql_first_word(STR("\"select\" x")).len, 0);
    assert_int_equal(sql_first_word(STR("{\"find\": \"t\"}")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_and_join_are_read),
        cmocka_unit_test(test_writes_of_every_kind),
        cmocka_unit_test(test_update_and_from_that_name_no_table),
        cmocka_unit_test(test_functions_are_no_tables),
        cmocka_unit_test(test_names_of_ctes_hide_tables_in_their_statement),
        cmocka_unit_test(test_quotes_comments_and_literals),
        cmocka_unit_test(test_damaged_texts_end),
        cmocka_unit_test(test_deep_and_wide_texts_are_bounded),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

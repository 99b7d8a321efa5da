// SPDX-License-Identifier: Apache-2.0
#include "map/delta.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_same_key(const NodeKey *a, const NodeKey *b)
{
    assert_int_equal(a->type, b->type);
    assert_true(str_equal(a->scope, b->scope) && str_equal(a->environment, b->environment));
    assert_true(str_equal(a->namespace, b->namespace) && str_equal(a->name, b->name));
    assert_true(str_equal(a->system, b->system) && str_equal(a->address, b->address));
    assert_true(str_equal(a->part, b->part) && str_equal(a->owner, b->owner));
}

static void test_keys_of_all_types_come_back(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf service = {0};
    NodeKey web = {.type = NODE_SERVICE, .scope = STR("default"), .name = STR("web")};
    node_key_append(&web, &service);
    char long_name[300];
    mem_fill(long_name, 'x', sizeof(long_name));
    const NodeKey keys[] = {
        web,
        {.type = NODE_DATABASE,
         .scope = STR("s"),
         .environment = STR("prod"),
         .namespace = STR("shop"),
         .system = STR("sqlite"),
         .address = STR(""),
         .owner = buf_str(&service)},
        {.type = NODE_TABLE,
         .scope = STR("s"),
         .system = STR("postgresql"),
         .address = STR("db:5432"),
         .namespace = STR("shop"),
         .part = STR("orders")},
        {.type = NODE_QUEUE, .scope = STR("s"), .system = STR("kafka"), .name = STR("orders")},
        {.type = NODE_EXTERNAL,
         .scope = STR("s"),
         .name = str_from_bytes(long_name, sizeof(long_name))},
        {.type = NODE_FLOW, .scope = STR("s"), .name = STR("order")},
        {.type = NODE_STEP, .scope = STR("s"), .name = STR("order"), .part = STR("pay")},
        {.type = NODE_NAME, .scope = STR("s"), .name = STR("h:8080")},
    };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        CLEANUP(buf_deinit) Buf bytes = {0};
        NodeKey back;

        node_key_append(&keys[i], &bytes);
        assert_int_equal(node_key_parse(buf_str(&bytes), &back), 0);
        assert_same_key(&keys[i], &back);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            assert_int_equal(node_key_parse(str_slice(buf_str(&bytes), 0, cut), &back), 1);
        }
        buf_append_byte(&bytes, 0);
        assert_int_equal(node_key_parse(buf_str(&bytes), &back), 1);
    }
}

static void test_other_spellings_are_no_keys(void **state)
{
    (void)state;
    NodeKey key;

    assert_int_equal(node_key_parse(STR(""), &key), 1);
    assert_int_equal(node_key_parse(STR("\x08\0\0\0\0"), &key), 1);             /* no such type */
    assert_int_equal(node_key_parse(STR("\x07\x80\x00\0\0"), &key), 1);         /* a long zero */
    assert_int_equal(node_key_parse(STR("\x07\xff\xff\xff\xff\xff"), &key), 1); /* endless length */
    assert_int_equal(node_key_parse(STR("\x01\0\0\0\0\0\1x"), &key), 1); /* owner is no key */
    assert_int_equal(node_key_parse(STR("\x07\0\0\1x"), &key), 0);
}

static void test_an_id_is_20_characters_that_never_change(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf bytes = {0};
    CLEANUP(buf_deinit) Buf id = {0};
    NodeKey key = {.type = NODE_SERVICE, .scope = STR("default"), .name = STR("web")};

    node_key_append(&key, &bytes);
    node_id_append(buf_str(&bytes), &id);
    assert_int_equal(id.len, NODE_ID_LENGTH);
    assert_string_equal(buf_cstr(&id), "ibav5m3hngyphtbt6j4s");
}

static void test_names_of_relations_and_rules_come_back(void **state)
{
    (void)state;
    Relation relation;
    Rule rule;

    for (int i = 0; i <= RELATION_FOLLOWS; i++) {
        assert_int_equal(relation_parse(relation_name((Relation)i), &relation), 0);
        assert_int_equal(relation, i);
    }
    for (int i = 0; i < RULE_COUNT; i++) {
        assert_int_equal(rule_parse(rule_name((Rule)i), &rule), 0);
        assert_int_equal(rule, i);
    }
    assert_int_equal(rule_parse(STR("guessed"), &rule), 1);
    assert_int_equal(relation_parse(STR(""), &relation), 1);
}

static void test_deltas_are_zeroed_and_kept_while_growing(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Deltas deltas = {.arena = &arena};

    for (uint32_t i = 0; i < 1000; i++) {
        Delta *delta = deltas_add(&deltas);
        assert_int_equal(delta->count, 0);
        delta->count = i;
    }
    assert_int_equal(deltas.count, 1000);
    assert_int_equal(deltas.items[999].count, 999);
    assert_int_equal(deltas.items[31].count, 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_all_types_come_back),
        cmocka_unit_test(test_other_spellings_are_no_keys),
        cmocka_unit_test(test_an_id_is_20_characters_that_never_change),
        cmocka_unit_test(test_names_of_relations_and_rules_come_back),
        cmocka_unit_test(test_deltas_are_zeroed_and_kept_while_growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "map/contract/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

static Reading read_kind(SpanKind kind, const Attribute *items, size_t n, Arena *arena)
{
    const Span span = {.kind = (uint8_t)kind, .attributes = {.items = items, .count = n}};
    Reading reading;

    reading_take(&span, arena, &reading);
    return reading;
}

#define READ(kind, arena, ...)                                                                     \
    read_kind((kind), (const Attribute[]){__VA_ARGS__},                                            \
              ARRAY_LEN(((const Attribute[]){__VA_ARGS__})), (arena))
#define TEXT(key, text)                                                                            \
    {                                                                                              \
        STR(key), value_string(STR(text))                                                          \
    }

/* Every name of §1, so that none is lost to the hash. */
static void test_every_name_is_known(void **state)
{
    (void)state;
    static const char *const names[][14] = {
        {"db.namespace", "db.name", "db.elasticsearch.cluster.name", "db.redis.database_index"},
        {"db.operation.name", "db.operation"},
        {"db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table",
         "db.cosmosdb.container", "aws.dynamodb.table_names"},
        {"db.query.summary"},
        {"db.query.text", "db.statement"},
        {"server.address", "net.peer.name", "network.peer.address", "net.sock.peer.addr",
         "net.peer.ip"},
    };

    for (size_t group = 0; group < ARRAY_LEN(names); group++) {
        for (size_t i = 0; names[group][i] != NULL; i++) {
            CLEANUP(arena_deinit) Arena arena = {0};
            Attribute last = {str_from_cstr(names[group][i]), value_string(STR("v"))};
            Reading reading = READ(SPAN_KIND_CLIENT, &arena, TEXT("db.system", "x"), last);
            const DatabaseReading *db = reading.database;
            const Str values[] = {db->namespace,
                                  db->operation,
                                  db->n_collections == 1 ? db->collections[0] : (Str){0},
                                  db->summary,
                                  db->text,
                                  db->host};

            assert_int_equal(reading.class, CLASS_DATABASE);
            for (size_t j = 0; j < ARRAY_LEN(values); j++) {
                assert_true(str_equal(values[j], j == group ? STR("v") : (Str){0}));
            }
        }
    }
}

static void test_the_first_name_that_is_not_empty_is_read(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Reading reading =
        READ(SPAN_KIND_CLIENT, &arena, TEXT("peer.service", "old"), TEXT("service.peer.name", ""),
             TEXT("peer.service", "second"), TEXT("net.peer.port", "x"),
             TEXT("network.peer.port", "0"), {STR("net.sock.peer.port"), value_int(81)},
             TEXT("net.peer.name", "b"), TEXT("server.address", "a"));

    assert_int_equal(reading.class, CLASS_OUTBOUND);
    assert_true(str_equal(reading.outbound->peer_service, STR("old")));
    assert_true(str_equal(reading.outbound->address, STR("a:81")));
}

static void test_values_are_read_as_text(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    const Value tables[] = {value_string(STR("a")), value_string(STR("")), value_int(5)};
    const Value list = {.type = VALUE_ARRAY, .count = 3, .items = tables};
    const Value none = {.type = VALUE_ARRAY};
    Reading reading = READ(SPAN_KIND_CLIENT, &arena, TEXT("db.system", "dynamodb"),
                           {STR("aws.dynamodb.table_names"), list}, {STR("db.namespace"), none},
                           {STR("db.name"), value_int(7)});

    assert_true(str_equal(reading.database->system, STR("aws.dynamodb")));
    assert_int_equal(reading.database->n_collections, 2);
    assert_true(str_equal(reading.database->collections[1], STR("5")));
    assert_true(str_equal(reading.database->namespace, STR("7")));
    reading = READ(SPAN_KIND_CLIENT, &arena, TEXT("db.system", "x"), {STR("db.sql.table"), list});
    assert_int_equal(reading.database->n_collections, 1);
    assert_true(str_equal(reading.database->collections[0], STR("[\"a\",\"\",5]")));
}

static void test_classes_in_their_order(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    const Attribute db = TEXT("db.system", "x");
    const Attribute queue = TEXT("messaging.destination", "q");
    const Attribute peer = TEXT("peer.service", "p");

    assert_int_equal(READ(SPAN_KIND_SERVER, &arena, queue, db).class, CLASS_SERVER);
    assert_int_equal(READ(SPAN_KIND_INTERNAL, &arena, db, queue).class, CLASS_MESSAGING);
    assert_int_equal(READ(SPAN_KIND_INTERNAL, &arena, db).class, CLASS_DATABASE);
    assert_int_equal(READ(SPAN_KIND_CONSUMER, &arena, db).class, CLASS_INNER);
    assert_int_equal(READ(SPAN_KIND_CONSUMER, &arena, db, peer).class, CLASS_OUTBOUND);
    assert_int_equal(READ(SPAN_KIND_PRODUCER, &arena, TEXT("x", "y")).class, CLASS_OUTBOUND);
    assert_int_equal(READ(SPAN_KIND_INTERNAL, &arena, peer).class, CLASS_OUTBOUND);
    assert_int_equal(READ(SPAN_KIND_INTERNAL, &arena, TEXT("x", "y")).class, CLASS_INNER);
}

static void test_roles_of_messages(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    const Attribute queue = TEXT("messaging.destination", "q");

    assert_int_equal(
        READ(SPAN_KIND_CLIENT, &arena, queue, TEXT("messaging.operation", "Deliver")).role,
        MESSAGE_PROCESS);
    assert_int_equal(
        READ(SPAN_KIND_PRODUCER, &arena, queue, TEXT("messaging.operation", "settle")).role,
        MESSAGE_NONE);
    assert_int_equal(READ(SPAN_KIND_PRODUCER, &arena, queue).role, MESSAGE_SEND);
    assert_int_equal(READ(SPAN_KIND_CONSUMER, &arena, queue).role, MESSAGE_PROCESS);
    assert_int_equal(READ(SPAN_KIND_CLIENT, &arena, queue).role, MESSAGE_NONE);
}

static void test_resources(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    const Attribute items[] = {
        TEXT("service.name", "web"),    TEXT("cloud.account.id", "a"),
        TEXT("k8s.cluster.uid", "k"),   TEXT("deployment.environment", "prod"),
        TEXT("service.version", "1.2"), TEXT("host.name", "h")};
    const Resource resource = {.attributes = {.items = items, .count = ARRAY_LEN(items)}};
    ResourceReading reading;

    resource_reading_take(&resource, &arena, &reading);
    assert_true(str_equal(reading.service, STR("web")));
    assert_true(str_equal(reading.scope, STR("k")));
    assert_true(str_equal(reading.environment, STR("prod")));
    assert_int_equal(reading.n_labels, 2);
    assert_true(str_equal(reading.labels[0].name, STR("service.version")));
    assert_true(str_equal(reading.labels[1].value, STR("h")));
    resource_reading_take(&(const Resource){0}, &arena, &reading);
    assert_true(str_equal(reading.scope, STR("default")));
    assert_int_equal(reading.service.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_is_known),
        cmocka_unit_test(test_the_first_name_that_is_not_empty_is_read),
        cmocka_unit_test(test_values_are_read_as_text),
        cmocka_unit_test(test_classes_in_their_order),
        cmocka_unit_test(test_roles_of_messages),
        cmocka_unit_test(test_resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
